package history

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// kind says what a store needs to know of what it keeps.
type kind[T any] struct {
	// about is which plan something speaks of, and when it was; the latter is
	// the order of what is kept, more or less.
	about func(*T) (plan string, at time.Time)
	// id names something, where it has a name, and began is before when it was
	// kept, by its name.
	id    func(*T) string
	began func(id string) time.Time
	// tail is how much of a plan's newest is in memory.
	tail int
}

// store keeps values of one kind in segments.
type store[T any] struct {
	opts Options
	kind kind[T]

	mu     sync.RWMutex
	sealed []*segment // oldest first
	open   *segment
	file   *os.File // of open; nil when ReadOnly
	tails  map[string][][]byte
}

func open[T any](opts Options, kind kind[T]) (*store[T], error) {
	opts.setDefaults()
	if !opts.ReadOnly {
		if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
			return nil, err
		}
	}
	h := &store[T]{opts: opts, kind: kind, tails: make(map[string][][]byte)}
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
func (h *store[T]) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	err := h.file.Close()
	h.file = nil
	return err
}

// fromTail answers from memory, if that is known to be all.
func (h *store[T]) fromTail(plan string, n int) ([]T, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	tail := h.tails[plan]
	if len(tail) < n && len(tail) < h.count(plan) {
		return nil, false
	}
	runs := make([]T, 0, min(n, len(tail)))
	for _, line := range slices.Backward(tail) {
		if len(runs) == n {
			break
		}
		run, err := decode[T](line)
		if err != nil { // it was encoded here, or decoded before
			return nil, false
		}
		runs = append(runs, *run)
	}
	return runs, true
}

// count returns how many runs of a plan there are.
func (h *store[T]) count(plan string) int {
	n := h.open.Plans[plan]
	for _, s := range h.sealed {
		n += s.Plans[plan]
	}
	return n
}

// Plans returns the names of all plans that runs speak of, sorted.
func (h *store[T]) Plans() []string {
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
func (h *store[T]) Count() (runs int, sizeBytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range append(slices.Clone(h.sealed), h.open) {
		runs += s.Runs
		sizeBytes += s.onDisk
	}
	return runs, sizeBytes
}
