package snapshot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// GroupBy says by what a list of snapshots is divided.
type GroupBy struct {
	Host  bool
	Paths bool
	Tags  bool
}

// ParseGroupBy reads "host", "paths" and "tags" with commas between them.
// An empty string means one group.
func ParseGroupBy(s string) (GroupBy, error) {
	var by GroupBy
	for option := range strings.SplitSeq(s, ",") {
		switch option {
		case "host", "hosts":
			by.Host = true
		case "path", "paths":
			by.Paths = true
		case "tag", "tags":
			by.Tags = true
		case "":
		default:
			return GroupBy{}, fmt.Errorf("unknown grouping %q: want host, paths or tags", option)
		}
	}
	return by, nil
}

// String returns what ParseGroupBy reads.
func (by GroupBy) String() string {
	var parts []string
	for _, p := range []struct {
		on   bool
		name string
	}{{by.Host, "host"}, {by.Paths, "paths"}, {by.Tags, "tags"}} {
		if p.on {
			parts = append(parts, p.name)
		}
	}
	return strings.Join(parts, ",")
}

// Key tells groups apart. What the snapshots are not grouped by is empty.
// Its JSON is that of restic.
type Key struct {
	Hostname string   `json:"hostname"`
	Paths    []string `json:"paths"`
	Tags     []string `json:"tags"`
}

// Key returns the key of the group that s belongs to. Reserved tags do not
// divide: the full and the incremental backups of a source belong together.
func (by GroupBy) Key(s *Snapshot) Key {
	var k Key
	if by.Host {
		k.Hostname = s.Hostname
	}
	if by.Paths {
		k.Paths = sorted(s.Paths)
	}
	if by.Tags {
		k.Tags = sorted(s.UserTags())
	}
	return k
}

// JSON returns a form of k that is equal for equal keys.
func (k Key) JSON() string {
	b, err := json.Marshal(k)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// String returns a form for people, such as "host www, path [/var/www]".
func (k Key) String() string {
	var parts []string
	if k.Hostname != "" {
		parts = append(parts, "host "+k.Hostname)
	}
	if len(k.Paths) > 0 {
		parts = append(parts, "path ["+strings.Join(k.Paths, ", ")+"]")
	}
	if len(k.Tags) > 0 {
		parts = append(parts, "tags ["+strings.Join(k.Tags, ", ")+"]")
	}
	return strings.Join(parts, ", ")
}

// Group is the snapshots of one key, in the order of the list they are from.
type Group struct {
	Key       Key
	Snapshots []*Snapshot
}

// Divide returns the groups of a list, sorted by their keys.
func (by GroupBy) Divide(list []*Snapshot) []Group {
	groups := make(map[string]*Group)
	for _, s := range list {
		key := by.Key(s)
		name := key.JSON()
		if groups[name] == nil {
			groups[name] = &Group{Key: key}
		}
		groups[name].Snapshots = append(groups[name].Snapshots, s)
	}
	var divided []Group
	for _, g := range groups {
		divided = append(divided, *g)
	}
	slices.SortFunc(divided, func(a, b Group) int { return cmp.Compare(a.Key.JSON(), b.Key.JSON()) })
	return divided
}
