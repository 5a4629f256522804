package logarchive

import (
	"context"
	"time"
)

// marking is what an Appender knows of the marks of a line.
type marking struct {
	// told is up to where the archive says that the line is archived.
	told Position
	// looked is closed when the marks are known that were there before, and
	// moved when told has moved or a mark is set; then it is made anew.
	looked, moved chan struct{}
	// busy tells that a mark is being set. newest is the one that was set
	// last, stale are those before it; kept tells that they cannot be removed.
	busy, kept bool
	newest     string
	stale      []string
}

func newMarking() marking { return marking{looked: make(chan struct{}), moved: make(chan struct{})} }

// wake lets all who wait look again.
func (m *marking) wake() {
	close(m.moved)
	m.moved = make(chan struct{})
}

// tellWithin is how long an append waits for the record of a later one to say
// that it is archived, if there is one on its way: while log comes without a
// pause, hardly a mark is needed.
const tellWithin = 100 * time.Millisecond

// tell returns when the archive says that a segment and all before it are
// archived. If no later record does, a mark is set: one at a time, for all
// that wait.
func (ap *Appender) tell(ctx context.Context, t *Ticket) error {
	if !t.segment.Kind.covers() {
		return nil
	}
	patience := time.NewTimer(tellWithin)
	defer patience.Stop()
	for patient := true; ; {
		at, wait := ap.toMark(t, patient)
		switch {
		case wait != nil:
			select {
			case <-wait:
			case <-patience.C:
				patient = false
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case at == 0:
			return nil
		default:
			if err := ap.mark(ctx, t.segment, at); err != nil {
				return err
			}
		}
	}
}

// toMark returns up to where the caller is to set a mark, or what to wait for,
// or neither when the archive says already that a segment is archived.
func (ap *Appender) toMark(t *Ticket, patient bool) (at Position, wait <-chan struct{}) {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	line := ap.lines[t.segment.Line]
	select {
	case <-line.looked:
	default:
		return 0, line.looked
	}
	switch {
	case line.told >= t.segment.End:
		return 0, nil
	case line.busy, patient && line.followed(t):
		return 0, line.moved
	}
	line.busy = true
	return line.durable, nil
}

// followed tells whether the record of a later segment is on its way.
func (l *lineEnd) followed(t *Ticket) bool {
	for _, r := range l.recent {
		if over, _ := r.over(); !over && r.segment.Start >= t.segment.End {
			return true
		}
	}
	return false
}

// hasTold notes up to where a record says that a line is archived.
func (ap *Appender) hasTold(s Segment, upTo Position) {
	if !s.Kind.covers() {
		return
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	if line := ap.lines[s.Line]; upTo > line.told {
		line.told = upTo
		line.wake()
	}
}

// mark sets a mark. Meanwhile those go that say less than the one before it.
func (ap *Appender) mark(ctx context.Context, s Segment, at Position) error {
	tidied := make(chan struct{})
	go func() { defer close(tidied); ap.tidy(ctx, s) }()
	key, err := ap.archive.putMark(ctx, mark{s.Stream, s.Line, at})
	<-tidied
	ap.mu.Lock()
	defer ap.mu.Unlock()
	line := ap.lines[s.Line]
	line.busy = false
	if err == nil {
		line.told = max(line.told, at)
		if line.newest != "" {
			line.stale = append(line.stale, line.newest)
		}
		line.newest = key
	}
	line.wake()
	return err
}

// tidy removes the marks of this Appender that say less than its newest. Where
// that may not be, it is left to whoever prunes.
func (ap *Appender) tidy(ctx context.Context, s Segment) {
	ap.mu.Lock()
	line := ap.lines[s.Line]
	stale := line.stale
	line.stale = nil
	kept := line.kept
	ap.mu.Unlock()
	for _, key := range stale {
		if !kept && !ap.archive.removeMark(ctx, key) {
			kept = true
		}
	}
	ap.mu.Lock()
	line.kept = kept
	ap.mu.Unlock()
}

// look finds out what marks of earlier archivers say, and removes all but the
// farthest.
func (ap *Appender) look(ctx context.Context, s Segment) {
	if !s.Kind.covers() {
		return
	}
	line := ap.lineOf(s)
	defer close(line.looked)
	marks, err := ap.archive.marks(ctx, s.Stream, s.Line)
	if err != nil || len(marks) == 0 || ap.archive.prove(ctx, marks[0]) != nil {
		return // there will be a mark of its own
	}
	ap.archive.removeMarks(ctx, marks[1:])
	ap.hasTold(s, marks[0].at)
}

func (ap *Appender) lineOf(s Segment) *lineEnd {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	return ap.lines[s.Line]
}
