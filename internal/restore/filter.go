package restore

import "holdfast/internal/pattern"

// Filter says what is restored: what Include matches, or everything if there
// are no include patterns, but for what Exclude matches.
type Filter struct {
	Include, Exclude pattern.Lists
	// Within, if set, narrows this down to a part of the snapshot: it tells
	// whether a path is in it, and whether something below the path may be.
	Within func(path string) (selected, below bool)
}

func (f *Filter) isEmpty() bool {
	return len(f.Include) == 0 && len(f.Exclude) == 0 && f.Within == nil
}

// judge tells whether an item is restored, and whether something below it may
// be.
func (f *Filter) judge(path string) (selected, below bool) {
	selected, below = f.judgePatterns(path)
	if f.Within != nil && (selected || below) {
		in, inBelow := f.Within(path)
		selected, below = selected && in, below && inBelow
	}
	return selected, below
}

func (f *Filter) judgePatterns(path string) (selected, below bool) {
	if f.Exclude.Match(path) {
		return false, false
	}
	if len(f.Include) == 0 {
		return true, true
	}
	selected = f.Include.Match(path)
	return selected, selected || f.Include.ChildMayMatch(path)
}
