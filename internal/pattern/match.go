package pattern

// match reports whether the pattern matches path or one of its parents.
//
// Segments are placed from left to right, each as early as it fits. That is
// never worse than a later place, so nothing is tried twice, except that
// several "**" in one pattern make the place of the first segment matter (see
// slack).
func (p *pattern) match(path []string) bool {
	slack := p.slack(len(path))
	if slack < 0 {
		return false
	}
	if p.width == 0 {
		return true // only "**"
	}
	if p.absolute {
		return startsWith(path, p.segments[0]) && p.matchRest(path, 0, slack)
	}
	start := 0
	if path[0] == rootName {
		start = 1
	}
	for ; start+p.width <= len(path); start++ {
		if !startsWith(path[start:], p.segments[0]) {
			continue
		}
		if p.matchRest(path, start, slack) {
			return true
		}
		if p.gaps() == 1 {
			return false // a later start leaves less to search
		}
	}
	return false
}

// matchRest places the segments after the first, which stands at start.
func (p *pattern) matchRest(path []string, start, slack int) bool {
	at := start + len(p.segments[0])
	skipped := 0
	for gap, segment := range p.segments[1:] {
		for !startsWith(path[at:], segment) {
			at++
			skipped++
			if at > len(path) || skipped > slack+gap {
				return false
			}
		}
		at += len(segment)
	}
	return true
}

// gaps is the number of "**".
func (p *pattern) gaps() int { return len(p.segments) - 1 }

// slack is how many components the first "**" may stand for in a path of
// depth components; a negative slack means that the path is too short.
//
// With one "**" that is all the components left over. With several, restic
// sets one component aside for each "**" still to come, although those may
// stand for none: there "/a/**/b/**" matches neither /a/b nor /a/x/b, only
// what lies below. The pattern decides what is backed up, so it has to decide
// the same here.
func (p *pattern) slack(depth int) int {
	return depth - p.width - max(0, p.gaps()-1)
}

// childMayMatch reports whether a path below dir may match. Patterns that are
// not absolute may begin to match further down; of absolute ones, what stands
// before the first "**" has to agree as far as dir goes.
func (p *pattern) childMayMatch(dir []string) bool {
	if !p.absolute {
		return true
	}
	if dir[len(dir)-1] == "" {
		dir = dir[:len(dir)-1] // the root, which restic never asks about, or a trailing slash
	}
	head := p.segments[0]
	return startsWith(dir, head[:min(len(head), len(dir))])
}

// startsWith reports whether the first components of path match segment.
func startsWith(path []string, segment []component) bool {
	if len(path) < len(segment) {
		return false
	}
	for i := range segment {
		if !segment[i].match(path[i]) {
			return false
		}
	}
	return true
}
