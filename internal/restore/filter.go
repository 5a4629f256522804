package restore

import "holdfast/internal/pattern"

// Filter says what is restored: what Include matches, or everything if there
// are no include patterns, but for what Exclude matches.
type Filter struct {
	Include, Exclude pattern.Lists
}

func (f *Filter) isEmpty() bool { return len(f.Include) == 0 && len(f.Exclude) == 0 }

// judge tells whether an item is restored, and whether something below it may
// be.
func (f *Filter) judge(path string) (selected, below bool) {
	if f.Exclude.Match(path) {
		return false, false
	}
	if len(f.Include) == 0 {
		return true, true
	}
	selected = f.Include.Match(path)
	return selected, selected || f.Include.ChildMayMatch(path)
}
