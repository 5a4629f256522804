package snapshot

import (
	"slices"
	"strings"
	"time"
)

// Filter chooses snapshots. The zero Filter takes all.
type Filter struct {
	// Hosts takes the snapshots of any of these hosts.
	Hosts []string
	// Tags takes those that satisfy any of these lists.
	Tags []TagList
	// Paths takes those that hold all of these paths, and may hold others.
	Paths []string
	// NotAfter takes those made up to this time.
	NotAfter time.Time
}

// TagList is satisfied by a snapshot that has all of its tags. An empty tag
// stands for snapshots that the user has not tagged.
type TagList []string

// ParseTagList reads tags with commas between them.
func ParseTagList(s string) TagList {
	list := strings.Split(s, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// IsZero tells whether f takes all snapshots.
func (f *Filter) IsZero() bool {
	return len(f.Hosts) == 0 && len(f.Tags) == 0 && len(f.Paths) == 0 && f.NotAfter.IsZero()
}

// Match tells whether f takes s.
func (f *Filter) Match(s *Snapshot) bool {
	return (len(f.Hosts) == 0 || slices.Contains(f.Hosts, s.Hostname)) &&
		(len(f.Tags) == 0 || slices.ContainsFunc(f.Tags, s.hasTags)) &&
		containsAll(s.Paths, f.Paths) &&
		(f.NotAfter.IsZero() || !s.Time.After(f.NotAfter))
}

// Select returns the snapshots that f takes, in their order.
func (f *Filter) Select(list []*Snapshot) []*Snapshot {
	var taken []*Snapshot
	for _, s := range list {
		if f.Match(s) {
			taken = append(taken, s)
		}
	}
	return taken
}

func (s *Snapshot) hasTags(list TagList) bool {
	if slices.Contains(list, "") && len(s.UserTags()) == 0 {
		return true
	}
	return containsAll(s.Tags, list)
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}
