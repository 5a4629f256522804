// Package history keeps the runs that ended, and what happened (Events): for
// years, in files that only grow at their end, within bounds.
//
// Its words:
//
//   - A segment is a file of runs, or of events, one a line
//     (docs/format/history.md). The last one is open: Append writes to its end
//     and flushes. One that is large or old enough is sealed: compressed, with
//     a summary beside it that says which plans it speaks of and of which time.
//   - The tail of a plan is its newest runs. Tails are in memory, whole
//     segments never are for longer than it takes to read them.
//
// A crash leaves at most a torn line at the end of the open segment, of a run
// that Append had not returned for; it is cut off. Every line carries a
// checksum: a damaged one is left out and reported (ErrDamaged), the others
// are read. What is over the bounds goes by whole segments, the oldest first.
//
// One History at a time writes to a folder; the ledger's folder beside it sees
// to that. Any number may read it (ReadOnly).
package history

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// ErrDamaged says that some lines could not be used; all others were.
var ErrDamaged = errors.New("some runs of the history are damaged and left out")

const (
	// segmentBytes is how large a segment grows before it is sealed: some ten
	// thousand runs, read in a few hundredths of a second.
	segmentBytes = 4 << 20
	// segmentSpan is how much time its runs span before it is sealed: the
	// bound of age is kept to about a month.
	segmentSpan = 31 * 24 * time.Hour
	// tailRuns is how many runs of a plan are in memory, tailSegments how many
	// sealed segments are read for that at the beginning.
	tailRuns     = 20
	tailSegments = 4

	defaultMaxBytes = 1 << 30
	defaultMaxAge   = 400 * 24 * time.Hour
)

// Options say how to open a history.
type Options struct {
	// Dir is its own folder, made if it is not there.
	Dir string
	// MaxBytes bounds what all segments take on disk, MaxAge how old their
	// runs get; 0 for a gigabyte and 400 days.
	MaxBytes int64
	MaxAge   time.Duration
	// ReadOnly changes nothing on disk, beside somebody who does.
	ReadOnly bool
	// Log is told of damage that was passed over; nil for nobody.
	Log *slog.Logger
	// Now is the clock, nil for the machine's.
	Now func() time.Time
}

// History is an open history of runs. It is safe for concurrent use.
type History struct{ *store[Run] }

// Open opens the history in a folder, or begins one there. It reads the
// newest segments.
func Open(opts Options) (*History, error) {
	s, err := open(opts, kind[Run]{
		about: func(r *Run) (string, time.Time) { return r.Plan, r.Ended },
		id:    func(r *Run) string { return r.ID },
		began: startOf, tail: tailRuns,
	})
	if err != nil {
		return nil, fmt.Errorf("open the history in %s: %w", opts.Dir, err)
	}
	return &History{s}, nil
}

// Append writes a run that ended. When it returns the run survives a crash of
// the machine; when it fails, such as on a full disk, there is nothing of it.
func (h *History) Append(r Run) error {
	if err := h.append([]Run{r}); err != nil {
		return fmt.Errorf("history: write run %s: %w", r.ID, err)
	}
	return nil
}

// appendAtOnce is how many runs AppendAll flushes together.
const appendAtOnce = 5000

// AppendAll writes many runs that ended, the oldest first. When it fails some of
// them may be there.
func (h *History) AppendAll(runs []Run) error {
	for part := range slices.Chunk(runs, appendAtOnce) {
		if err := h.append(part); err != nil {
			return fmt.Errorf("history: write %d runs: %w", len(part), err)
		}
	}
	return nil
}

// Last returns the newest n runs of a plan, the newest first. Runs count as
// new in the order in which they were appended.
func (h *History) Last(plan string, n int) ([]Run, error) {
	if runs, ok := h.fromTail(plan, n); ok {
		return runs, nil
	}
	return h.Select(Filter{Plan: plan, Limit: n})
}

// Select returns the runs that a filter means, the newest first. With
// ErrDamaged it returns all that could be read, with ErrNoRun nothing.
func (h *History) Select(f Filter) ([]Run, error) {
	return h.find(&query[Run]{
		plan: f.Plan, since: f.Since, until: f.Until, limit: f.Limit, after: f.After, matches: f.matches,
		holds: needles("plan", f.Plan, "source", f.Source, "repository", f.Repository, "job", string(f.Job), "outcome", string(f.Outcome)),
	})
}

// Get returns a run by its ID; ErrNoRun if there is none.
func (h *History) Get(id string) (*Run, error) { return h.get(id) }

// startOf is when a run began, by its ID; zero if that does not tell.
func startOf(id string) time.Time {
	const layout = "20060102-150405"
	at, err := time.Parse(layout, id[:min(len(id), len(layout))])
	if err != nil {
		return time.Time{}
	}
	return at
}

// Oldest returns when the oldest run of a plan that is kept may have ended: as
// precisely as segments tell without reading them. It is false without any.
func (h *History) Oldest(plan string) (time.Time, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range append(slices.Clone(h.sealed), h.open) {
		if s.Plans[plan] > 0 {
			return s.First, true
		}
	}
	return time.Time{}, false
}
