package config

import (
	"maps"
	"slices"

	"holdfast/internal/retention"
)

// Repositories returns the names of the plan's repository and, after it, those
// of its copies.
func (p Plan) Repositories() []string {
	all := []string{p.Repository}
	for _, copied := range p.Copies {
		all = append(all, copied.To)
	}
	return all
}

// KeepIn says which snapshots of the plan stay in one of its repositories: a
// copy may have a policy of its own.
func (p Plan) KeepIn(repository string) retention.Policy {
	for _, copied := range p.Copies {
		if copied.To == repository && !copied.Keep.Empty() {
			return copied.Keep
		}
	}
	return p.Keep
}

// CopiesOf returns the names of the repositories to which plans bring the same
// snapshots as to the one at a URL.
func (c *Config) CopiesOf(url string) []string {
	var names []string
	for _, plan := range slices.Sorted(maps.Keys(c.Plans)) {
		all := c.Plans[plan].Repositories()
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
