package pitr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// Facts are what there is to recover with.
type Facts struct {
	// Points are the base backups, oldest first.
	Points []Point
	// Log is what the log archive has.
	Log []LogPart
	// Gaps are what it had and has no more, or never had, on the way.
	Gaps []logarchive.Gap
	// Unproven are marks of its ends that are damaged: newer log may be lost
	// unnoticed.
	Unproven []error
	// Histories are the ancestors of each timeline, oldest first.
	Histories map[uint32][]postgres.Branch
}

// LogPart is a part of the log without a gap, and when its end was archived.
type LogPart struct {
	logarchive.Range
	To time.Time
}

// Choice is the way a wish is fulfilled.
type Choice struct {
	Point    Point
	Timeline uint32
	// End is how far the log reaches without a gap, and EndTime when that was
	// archived; zero when the backup is restored without the log.
	End     postgres.LSN
	EndTime time.Time
	// Why says in words what was chosen and why.
	Why []string
}

// ErrUnreachable says that nothing there is leads to the wish.
var ErrUnreachable = errors.New("cannot be recovered to")

// Choose finds the base backup to begin with and the timeline to follow: the
// newest backup that was complete before the wish, so that as little of the
// log as possible has to be replayed.
func Choose(f Facts, w Wish) (*Choice, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	if len(f.Points) == 0 {
		return nil, fmt.Errorf("%s %w: there is no base backup; take one with `holdfast plan run`", w, ErrUnreachable)
	}
	points := slices.Clone(f.Points)
	slices.Reverse(points)
	if w.Name != "" || w.Transaction != "" {
		// Nothing tells where in the log these are: begin as early as may be.
		slices.Reverse(points)
	}
	var reasons []string
	for _, p := range points {
		choice, why := f.try(p, w)
		if choice != nil {
			return choice, nil
		}
		if why != "" {
			reasons = append(reasons, fmt.Sprintf("backup %s of %s: %s", p.Snapshot.ID.Short(), p.Ended.Local().Format(time.DateTime), why))
		}
	}
	if len(reasons) == 0 {
		return nil, fmt.Errorf("%s %w: no backup is named %q", w, ErrUnreachable, w.Backup)
	}
	return nil, fmt.Errorf("%s %w:\n  %s", w, ErrUnreachable, strings.Join(reasons, "\n  "))
}

// try returns the choice that begins with a backup, or why there is none; ""
// when the backup is not asked for.
func (f Facts) try(p Point, w Wish) (*Choice, string) {
	if w.Backup != "" && !strings.HasPrefix(p.Snapshot.ID.String(), w.Backup) {
		return nil, ""
	}
	if why := tooLate(p, w); why != "" {
		return nil, why
	}
	c := &Choice{Point: p, Timeline: f.timeline(p, w)}
	if c.Timeline == 0 {
		return nil, fmt.Sprintf("timeline %d does not come from its timeline, %d, or branched off it before the backup ended", w.Timeline, p.Timeline)
	}
	why := f.unknown(c, w)
	if why == "" {
		why = f.reach(c, w)
	}
	if why != "" && w.Immediate && p.Held {
		why = ""
	}
	if why != "" {
		return nil, why
	}
	c.explain(f, w)
	return c, ""
}

// tooLate says why a backup is not complete early enough.
func tooLate(p Point, w Wish) string {
	switch {
	case !w.Time.IsZero() && p.Ended.After(w.Time):
		return "it was complete only after that"
	case w.LSN != 0 && p.End > w.LSN:
		return "it is consistent only from " + p.End.String() + " on"
	}
	return ""
}

// timeline returns the one to follow: the one asked for, or the newest that
// leads on from the backup; 0 if the one asked for does not.
func (f Facts) timeline(p Point, w Wish) uint32 {
	if w.Timeline != 0 {
		if f.descends(w.Timeline, p) {
			return w.Timeline
		}
		return 0
	}
	newest := p.Timeline
	for _, part := range f.Log {
		if part.Stream == p.System && part.Line > newest && f.descends(part.Line, p) {
			newest = part.Line
		}
	}
	return newest
}

// unknown says of which timeline on the way nobody knows where it comes from:
// the one to follow, without whose history file no server recovers, or, when
// none is named, a newer one that may be the one to follow.
func (f Facts) unknown(c *Choice, w Wish) string {
	for _, part := range f.Log {
		if part.Stream != c.Point.System || part.Line == 1 || len(f.Histories[part.Line]) > 0 {
			continue
		}
		if part.Line == c.Timeline || part.Line > c.Timeline && w.Timeline == 0 && !w.Immediate {
			return fmt.Sprintf("timeline %d has log, and its history file is missing, which says where it branches off; `holdfast wal receive` archives it again when it starts, "+
				"and so does the next base backup; to follow another timeline, name it with --to-timeline", part.Line)
		}
	}
	return ""
}

// descends tells whether a timeline leads on from the end of a backup.
func (f Facts) descends(timeline uint32, p Point) bool {
	if timeline == p.Timeline {
		return true
	}
	return slices.ContainsFunc(f.Histories[timeline], func(b postgres.Branch) bool {
		return b.Timeline == p.Timeline && b.At >= p.End
	})
}

// reach follows the log from the backup's start, finds where it ends, and
// says why that is not far enough.
func (f Facts) reach(c *Choice, w Wish) string {
	at, line := logarchive.Position(c.Point.Start), c.Point.Timeline
	for {
		part, ok := f.partAt(c.Point.System, line, at)
		if !ok {
			why := fmt.Sprintf("the log archive lacks the log from %s on timeline %d", at.LSN(), line)
			if line != c.Point.Timeline && w.Timeline == 0 {
				why += "; to stay on another timeline, name it with --to-timeline"
			}
			return why
		}
		next, branch := f.next(line, c.Timeline)
		if next == 0 || part.End < f.firstOf(c.Point.System, next, branch) {
			c.End, c.EndTime = postgres.LSN(part.End), part.To
			if next != 0 {
				return fmt.Sprintf("the log archive ends at %s on timeline %d, before timeline %d branches off at %s", part.End.LSN(), line, next, branch)
			}
			return c.short(w)
		}
		at, line = f.firstOf(c.Point.System, next, branch), next
	}
}

// partAt returns the part of the log that holds a position.
func (f Facts) partAt(system string, line uint32, at logarchive.Position) (LogPart, bool) {
	k := slices.IndexFunc(f.Log, func(p LogPart) bool {
		return p.Stream == system && p.Line == line && p.Start <= at && at < p.End
	})
	if k < 0 {
		return LogPart{}, false
	}
	return f.Log[k], true
}

// next returns the timeline that follows on the way to the last one, and
// where it branches off; 0 for the last one itself.
func (f Facts) next(line, last uint32) (uint32, postgres.LSN) {
	if line == last {
		return 0, 0
	}
	branches := f.Histories[last]
	k := slices.IndexFunc(branches, func(b postgres.Branch) bool { return b.Timeline == line })
	if k < 0 {
		return 0, 0
	}
	if k+1 < len(branches) {
		return branches[k+1].Timeline, branches[k].At
	}
	return last, branches[k].At
}

// firstOf returns where the log of a timeline begins that branched off: its
// first segment begins with a copy of its parent's.
func (f Facts) firstOf(system string, line uint32, branch postgres.LSN) logarchive.Position {
	first := logarchive.Position(branch)
	for _, p := range f.Log {
		if p.Stream == system && p.Line == line && p.Start < first && logarchive.Position(branch) < p.End {
			first = p.Start
		}
	}
	return first
}

// short says why the log does not reach as far as the wish.
func (c *Choice) short(w Wish) string {
	switch {
	case c.End < c.Point.End:
		return fmt.Sprintf("the log archive ends at %s, before the backup is consistent at %s", c.End, c.Point.End)
	case w.LSN != 0 && c.End < w.LSN:
		return fmt.Sprintf("the log archive ends at %s", c.End)
	case !w.Time.IsZero() && c.EndTime.Before(w.Time):
		return fmt.Sprintf("the log archive ends at %s, archived %s; to recover all there is, leave the time out", c.End, c.EndTime.Local().Format(time.DateTime))
	}
	return ""
}

// lostAfter returns up to where a timeline had log that is missing after a
// position; 0 if none is.
func (f Facts) lostAfter(system string, line uint32, at postgres.LSN) postgres.LSN {
	for _, g := range f.Gaps {
		if g.Stream == system && g.Line == line && g.Start == logarchive.Position(at) {
			return postgres.LSN(g.End)
		}
	}
	return 0
}

func (c *Choice) explain(f Facts, w Wish) {
	c.Why = append(c.Why,
		fmt.Sprintf("stop at %s", w),
		fmt.Sprintf("begin with base backup %s, complete at %s (%s on timeline %d)",
			c.Point.Snapshot.ID.Short(), c.Point.Ended.Local().Format(time.DateTime), c.Point.End, c.Point.Timeline))
	if c.Timeline != c.Point.Timeline {
		c.Why = append(c.Why, fmt.Sprintf("follow timeline %d, which leads on from timeline %d", c.Timeline, c.Point.Timeline))
	}
	if c.End != 0 {
		c.Why = append(c.Why, fmt.Sprintf("the log reaches to %s on timeline %d, archived %s", c.End, c.Timeline, c.EndTime.Local().Format(time.DateTime)))
		if lost := f.lostAfter(c.Point.System, c.Timeline, c.End); lost != 0 && !w.HasTarget() {
			c.Why = append(c.Why, fmt.Sprintf("the log from there to %s is missing, and recovery will stop there with an error; to recover what there is, name %s as the target", lost, c.End))
		}
	}
}
