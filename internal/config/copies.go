package config

import (
	"maps"
	"slices"
)

// CopiesOf returns the names of the repositories to which plans bring the same
// snapshots as to the one at a URL.
func (c *Config) CopiesOf(url string) []string {
	var names []string
	for _, plan := range slices.Sorted(maps.Keys(c.Plans)) {
		p := c.Plans[plan]
		all := []string{p.Repository}
		for _, copied := range p.Copies {
			all = append(all, copied.To)
		}
		if !slices.ContainsFunc(all, func(name string) bool { return c.Repositories[name].URL == url }) {
			continue
		}
		for _, name := range all {
			if c.Repositories[name].URL != url && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
