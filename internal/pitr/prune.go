package pitr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// PruneFacts are what there is to decide with which log may go.
type PruneFacts struct {
	Facts
	// Segments is the log, sorted as the archive lists it.
	Segments []logarchive.Segment
	// Linked are slices that a later segment names as the one before it: they
	// stay, or that segment would be out of chain.
	Linked map[logarchive.Segment]bool
	// Window returns the beginning of the point-in-time window that ends at
	// a time; nil when the window is without beginning.
	Window func(end time.Time) time.Time
	Now    time.Time
}

// PrunePlan says which log goes and why.
type PrunePlan struct {
	// From is the beginning of the window; zero when it has none.
	From   time.Time
	Floors []Floor
	Remove []Removal
	// Points are the base backups, and how far each leads.
	Points []PointState
}

// NoFloor is the position of a Floor that nothing is kept from.
const NoFloor = ^postgres.LSN(0)

// Floor is the position of a cluster's log from which on all of it stays.
type Floor struct {
	System string
	At     postgres.LSN
	// Why says what it follows from. Blocked tells that nothing before it may
	// go for now, because something is missing.
	Why     string
	Blocked bool
}

// Removal is one segment that goes.
type Removal struct {
	logarchive.Segment
	Reason string
}

// Reach is how far the log leads on from a base backup.
type Reach string

const (
	// ReachEnd is all the way to the end of the log.
	ReachEnd Reach = "end"
	// ReachGap is to a gap in the log.
	ReachGap Reach = "gap"
	// ReachPoint is to the end of the backup itself: the log after it was
	// pruned, or never archived.
	ReachPoint Reach = "point"
	// ReachLost is nowhere: the backup cannot be restored.
	ReachLost Reach = "lost"
)

// PointState is a base backup and what it is good for.
type PointState struct {
	Point
	Reach Reach
	// Until is where the log ends that leads on from it.
	Until postgres.LSN
}

// PlanPrune decides which log may go: what no instant of the window needs and
// no base backup needs for itself, and slices of segments that are whole.
//
// The window ends when the newest log was archived, or now if that is earlier.
// So neither a clock that jumps ahead nor a server that is gone for good makes
// it run past what there is.
func PlanPrune(f PruneFacts) *PrunePlan {
	plan := &PrunePlan{From: f.from()}
	byStream := map[string][]logarchive.Segment{}
	for _, s := range f.Segments {
		byStream[s.Stream] = append(byStream[s.Stream], s)
	}
	floors := map[string]Floor{}
	for _, stream := range slices.Sorted(maps.Keys(byStream)) {
		floor := f.floor(stream, plan.From)
		floors[stream] = floor
		plan.Floors = append(plan.Floors, floor)
		for _, u := range units(byStream[stream]) {
			plan.Remove = append(plan.Remove, f.expendable(u, floor)...)
		}
	}
	for _, p := range f.Points {
		plan.Points = append(plan.Points, f.state(p, floors[p.System].At))
	}
	return plan
}

// from is where the window begins.
func (f PruneFacts) from() time.Time {
	if f.Window == nil {
		return time.Time{}
	}
	end := time.Time{}
	for _, part := range f.Log {
		if part.To.After(end) {
			end = part.To
		}
	}
	if end.After(f.Now) {
		end = f.Now
	}
	return f.Window(end)
}

// floor finds from where on all log of a cluster stays: the start of the
// earliest base backup that an instant of the window is restored from. It is
// a position for all timelines at once, which may keep some log of abandoned
// ones for longer than needed, and none too short.
func (f PruneFacts) floor(system string, from time.Time) Floor {
	points := slices.DeleteFunc(slices.Clone(f.Points), func(p Point) bool { return p.System != system })
	floor := Floor{System: system}
	if len(points) == 0 {
		floor.Why, floor.Blocked = "no base backup is of this cluster", true
		return floor
	}
	var first *Point
	root := func(p Point) {
		if first == nil || p.Start < first.Start {
			first = &p
		}
	}
	for _, p := range points {
		if p.Ended.After(from) {
			root(p)
		}
	}
	for _, line := range f.living(system, from) {
		anchor, why := f.anchor(line, points, from)
		if why != "" {
			floor.Why, floor.Blocked = why, true
			return floor
		}
		if anchor != nil {
			root(*anchor)
		}
	}
	if first == nil { // the log ends before the window begins
		floor.At, floor.Why = NoFloor, "all of it is older than the window"
		return floor
	}
	floor.At = first.Start
	floor.Why = fmt.Sprintf("base backup %s of %s begins there", first.Snapshot.ID.Short(), first.Ended.Local().Format(time.DateTime))
	return floor
}

// living returns the timelines that were archived to within the window.
func (f PruneFacts) living(system string, from time.Time) []uint32 {
	var lines []uint32
	for _, part := range f.Log {
		if part.Stream == system && !part.To.Before(from) && !slices.Contains(lines, part.Line) {
			lines = append(lines, part.Line)
		}
	}
	return lines
}

// anchor returns the base backup with which the part of the window begins
// that a timeline has: the newest one before the window, of those that lead
// there and have the log they need. It returns nil when later ones lead there
// or the timeline is of the past, and the reason when nothing may be pruned.
func (f PruneFacts) anchor(line uint32, points []Point, from time.Time) (anchor *Point, why string) {
	leading, before := false, false
	for _, p := range points {
		if !f.descends(line, p) {
			continue
		}
		leading = true
		if p.Ended.After(from) {
			continue
		}
		before = true
		if f.Usable(p) && (anchor == nil || p.Ended.After(anchor.Ended)) {
			anchor = &p
		}
	}
	switch {
	case anchor == nil && before:
		return nil, fmt.Sprintf("the base backups before the window lack the log that they need on the way to timeline %d", line)
	case leading || f.isAncestor(line, points):
		return anchor, ""
	case line > 1 && len(f.Histories[line]) == 0:
		return nil, fmt.Sprintf("timeline %d has log of the window, and its history file is not archived", line)
	}
	return nil, fmt.Sprintf("timeline %d has log of the window, and no base backup leads there", line)
}

// isAncestor tells whether the history of a base backup has a timeline: then
// nothing goes on there.
func (f PruneFacts) isAncestor(line uint32, points []Point) bool {
	return slices.ContainsFunc(points, func(p Point) bool {
		return slices.ContainsFunc(f.Histories[p.Timeline], func(b postgres.Branch) bool { return b.Timeline == line })
	})
}

// Usable tells whether a base backup has the log it cannot do without.
func (f Facts) Usable(p Point) bool {
	return p.Held || slices.ContainsFunc(f.Log, func(part LogPart) bool {
		need := p.Need.Range()
		return part.Stream == need.Stream && part.Line == need.Line && part.Start <= need.Start && need.End <= part.End
	})
}

// unit is all that is archived of one segment of the log: itself, its slices,
// and the files named after it.
type unit struct {
	line       uint32
	start, end logarchive.Position
	all        []logarchive.Segment
	// whole is the segment, if it is archived; next tells that the one after
	// it is, too.
	whole *logarchive.Segment
	next  bool
}

// segmentNameBytes is the length of a segment's name, with which the names of
// its companions begin (NAME.partial, NAME.OFFSET.backup).
const segmentNameBytes = 24

// units groups the log of one cluster by its segments. History files are in
// none of them: they are small, and tell of what is gone as well.
func units(segments []logarchive.Segment) []*unit {
	type key struct {
		line uint32
		name string
	}
	found := map[key]*unit{}
	starts := map[uint32]map[logarchive.Position]bool{}
	for _, s := range segments {
		if s.Kind == logarchive.History || len(s.Name) < segmentNameBytes {
			continue
		}
		k := key{s.Line, s.Name[:segmentNameBytes]}
		u := found[k]
		if u == nil {
			u = &unit{line: s.Line, start: s.Start, end: s.End}
			found[k] = u
		}
		u.all = append(u.all, s)
		if s.Kind == logarchive.Label {
			continue // its place is only roughly known
		}
		u.start, u.end = min(u.start, s.Start), max(u.end, s.End)
		if s.Kind == logarchive.Whole {
			u.whole = &s
			if starts[s.Line] == nil {
				starts[s.Line] = map[logarchive.Position]bool{}
			}
			starts[s.Line][s.Start] = true
		}
	}
	for _, u := range found {
		u.next = u.whole != nil && starts[u.line][u.whole.End]
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *unit) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
}

// expendable returns what may go of one segment of the log.
func (f PruneFacts) expendable(u *unit, floor Floor) (removed []Removal) {
	if u.end <= logarchive.Position(floor.At) && !f.neededByPoint(u, floor.System) {
		reason := "before " + floor.At.String() + ", where the window begins"
		if floor.At == NoFloor {
			reason = floor.Why
		}
		for _, s := range u.all {
			removed = append(removed, Removal{s, reason})
		}
		return removed
	}
	// Slices go only when the next segment is whole as well: until then an
	// archiver may still name one of them as the one before.
	if !u.next {
		return nil
	}
	for _, s := range u.all {
		if s.Kind == logarchive.Slice && s.Start >= u.whole.Start && s.End <= u.whole.End && !f.Linked[s] {
			removed = append(removed, Removal{s, "its segment is archived whole"})
		}
	}
	return removed
}

// neededByPoint tells whether a base backup needs the segment for itself.
func (f PruneFacts) neededByPoint(u *unit, system string) bool {
	return slices.ContainsFunc(f.Points, func(p Point) bool {
		return !p.Held && p.System == system && p.Timeline == u.line &&
			u.start < logarchive.Position(p.End) && logarchive.Position(p.Start) < u.end
	})
}

// state tells what a base backup is good for.
func (f PruneFacts) state(p Point, floor postgres.LSN) PointState {
	s := PointState{Point: p, Reach: ReachPoint, Until: p.End}
	choice, err := Choose(f.Facts, Wish{Backup: p.Snapshot.ID.String()})
	switch {
	case err == nil && !f.goesOn(p.System, choice.Timeline, choice.End):
		s.Reach, s.Until = ReachEnd, choice.End
	case !f.Usable(p):
		s.Reach = ReachLost
	case p.Held || p.Start < floor:
	default:
		s.Reach = ReachGap
		if part, ok := f.partAt(p.System, p.Timeline, logarchive.Position(p.Start)); ok {
			s.Until = postgres.LSN(part.End)
		}
	}
	return s
}

// goesOn tells whether a timeline has log after a position, or had.
func (f PruneFacts) goesOn(system string, line uint32, at postgres.LSN) bool {
	return slices.ContainsFunc(f.Log, func(part LogPart) bool {
		return part.Stream == system && part.Line == line && part.Start > logarchive.Position(at)
	}) || f.lostAfter(system, line, at) != 0
}
