package history

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/internal/event"
)

const (
	// maxWaiting bounds events that wait to be written: minutes of a storm.
	maxWaiting = 4096
	// gatherEvents is how long events wait to be flushed together. What a crash
	// takes with it is in the service's log.
	gatherEvents = 200 * time.Millisecond
)

// Events keeps what happened, in segments as runs are. It is an event.Sink:
// Run writes what was emitted. It is safe for concurrent use.
type Events struct {
	*store[event.Event]

	flushing sync.Mutex // so that they are written in their order

	mu      sync.Mutex
	waiting []event.Event
	lost    int
	wake    chan struct{}
}

var _ event.Sink = (*Events)(nil)

// OpenEvents opens the events in a folder, or begins them there.
func OpenEvents(opts Options) (*Events, error) {
	s, err := open(opts, kind[event.Event]{about: func(e *event.Event) (string, time.Time) { return e.Plan, e.Time }})
	if err != nil {
		return nil, fmt.Errorf("open the events in %s: %w", opts.Dir, err)
	}
	return &Events{store: s, wake: make(chan struct{}, 1)}, nil
}

// Emit implements event.Sink.
func (e *Events) Emit(one event.Event) {
	e.mu.Lock()
	if len(e.waiting) < maxWaiting {
		e.waiting = append(e.waiting, one)
	} else {
		e.lost++
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run writes events until ctx ends, and then what is left. One that cannot be
// written, such as on a full disk, is told to the log and let go: the service
// has more important work.
func (e *Events) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-e.wake:
			select {
			case <-ctx.Done():
			case <-time.After(gatherEvents):
			}
		}
		e.flush()
	}
	e.flush()
	return nil
}

func (e *Events) flush() {
	e.flushing.Lock()
	defer e.flushing.Unlock()
	e.mu.Lock()
	all, lost := e.waiting, e.lost
	e.waiting, e.lost = nil, 0
	e.mu.Unlock()
	if lost > 0 {
		e.opts.Log.Warn("events were not kept: too many at once", "events", lost)
	}
	if len(all) == 0 {
		return
	}
	if err := e.append(all); err != nil {
		e.opts.Log.Warn("events were not kept", "events", len(all), "error", err)
	}
}

// EventFilter says which events are meant. The zero EventFilter means all.
type EventFilter struct {
	// Plan, Repository, Run and Kind are what an event must say, "" for anything.
	Plan, Repository, Run string
	Kind                  event.Kind
	// MinSeverity leaves out what is less severe.
	MinSeverity event.Severity
	// Since and Until bound the time, both inclusive; zero for open.
	Since, Until time.Time
	// Limit is how many of the newest are meant, 0 for all.
	Limit int
}

func (f *EventFilter) matches(e *event.Event) bool {
	switch {
	case f.Plan != "" && f.Plan != e.Plan,
		f.Repository != "" && f.Repository != e.Repository,
		f.Run != "" && f.Run != e.Run,
		f.Kind != "" && f.Kind != e.Kind,
		e.Severity < f.MinSeverity,
		!f.Since.IsZero() && e.Time.Before(f.Since),
		!f.Until.IsZero() && e.Time.After(f.Until):
		return false
	}
	return true
}

// Select returns the events that a filter means, the newest first, with those
// that wait to be written. With ErrDamaged it returns all that could be read.
func (e *Events) Select(f EventFilter) ([]event.Event, error) {
	e.flush()
	return e.find(&query[event.Event]{
		plan: f.Plan, since: f.Since, until: f.Until, limit: f.Limit, matches: f.matches,
		holds: needles("plan", f.Plan, "repository", f.Repository, "run", f.Run, "kind", string(f.Kind)),
	})
}
