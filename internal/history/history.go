// Package history keeps the runs that ended: for years, in files that only
// grow at their end, within bounds.
//
// Its words:
//
//   - A segment is a file of runs, one a line (docs/format/history.md). The
//     last one is open: Append writes to its end and flushes. One that is
//     large or old enough is sealed: compressed, with a summary beside it that
//     says which plans it speaks of and of which time.
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
	"os"
	"slices"
	"sync"
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

// History is an open history. It is safe for concurrent use.
type History struct {
	opts Options

	mu     sync.RWMutex
	sealed []*segment // oldest first
	open   *segment
	file   *os.File // of open; nil when ReadOnly
	tails  map[string][][]byte
}

// Open opens the history in a folder, or begins one there. It reads the
// newest segments.
func Open(opts Options) (*History, error) {
	h, err := open(opts)
	if err != nil {
		return nil, fmt.Errorf("open the history in %s: %w", opts.Dir, err)
	}
	return h, nil
}

func open(opts Options) (*History, error) {
	opts.setDefaults()
	if !opts.ReadOnly {
		if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
			return nil, err
		}
	}
	h := &History{opts: opts, tails: make(map[string][][]byte)}
	if err := h.findSegments(); err != nil {
		return nil, err
	}
	if err := h.openLast(); err != nil {
		return nil, err
	}
	return h, nil
}

func (o *Options) setDefaults() {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultMaxAge
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Close ends it; everything appended is on disk already.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	err := h.file.Close()
	h.file = nil
	return err
}

// Last returns the newest n runs of a plan, the newest first. Runs count as
// new in the order in which they were appended.
func (h *History) Last(plan string, n int) ([]Run, error) {
	if runs, ok := h.fromTail(plan, n); ok {
		return runs, nil
	}
	return h.Select(Filter{Plan: plan, Limit: n})
}

// fromTail answers from memory, if that is known to be all.
func (h *History) fromTail(plan string, n int) ([]Run, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	tail := h.tails[plan]
	if len(tail) < n && len(tail) < h.count(plan) {
		return nil, false
	}
	runs := make([]Run, 0, min(n, len(tail)))
	for _, line := range slices.Backward(tail) {
		if len(runs) == n {
			break
		}
		run, err := decode(line)
		if err != nil { // it was encoded here, or decoded before
			return nil, false
		}
		runs = append(runs, *run)
	}
	return runs, true
}

// count returns how many runs of a plan there are.
func (h *History) count(plan string) int {
	n := h.open.Plans[plan]
	for _, s := range h.sealed {
		n += s.Plans[plan]
	}
	return n
}

// Plans returns the names of all plans that runs speak of, sorted.
func (h *History) Plans() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	seen := make(map[string]bool)
	for _, s := range append(slices.Clone(h.sealed), h.open) {
		for plan := range s.Plans {
			seen[plan] = true
		}
	}
	names := make([]string, 0, len(seen))
	for plan := range seen {
		names = append(names, plan)
	}
	slices.Sort(names)
	return names
}

// Count returns how many runs there are, and how many bytes they take on disk.
func (h *History) Count() (runs int, sizeBytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range append(slices.Clone(h.sealed), h.open) {
		runs += s.Runs
		sizeBytes += s.onDisk
	}
	return runs, sizeBytes
}
