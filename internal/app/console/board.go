package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/event"
	"holdfast/internal/history"
)

// board has the problems that are not over.
type board struct {
	mu   sync.Mutex
	open map[string]problem
}

type problem struct {
	event.Event

	since time.Time
}

// take takes an event, as far as it is about a problem. One that is less than
// a warning is none.
func (b *board) take(e event.Event) {
	if e.Key == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known, is := b.open[e.Key]
	switch {
	case e.Over:
		delete(b.open, e.Key)
	case e.Severity < event.Warning && !is:
	case is:
		b.open[e.Key] = problem{e, known.since}
	default:
		b.open[e.Key] = problem{e, e.Time}
	}
}

// Problems implements api.Viewer. Those of plans and repositories that are not
// there any more are nobody's.
func (c *Console) Problems(context.Context) ([]event.Event, error) {
	cfg := c.o.Config()
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	all := make([]event.Event, 0, len(c.board.open))
	for _, p := range c.board.open {
		_, plan := cfg.Plans[p.Plan]
		_, repository := cfg.Repositories[p.Repository]
		if p.Plan != "" && !plan || p.Plan == "" && p.Repository != "" && !repository {
			continue
		}
		e := p.Event
		if !p.since.Equal(e.Time) {
			e.Details = mapsWith(e.Details, "since", p.since.Format(time.RFC3339))
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b event.Event) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return b.Time.Compare(a.Time)
	})
	return all, nil
}

// mapsWith returns a copy of a map with one more value.
func mapsWith(m map[string]string, key, value string) map[string]string {
	with := map[string]string{key: value}
	for k, v := range m {
		with[k] = v
	}
	return with
}

// usualEvents and mostEvents are how many events are returned, if nobody says,
// and at most.
const (
	usualEvents = 100
	mostEvents  = 1000
)

// Events implements api.Viewer.
func (c *Console) Events(_ context.Context, q api.EventQuery) ([]event.Event, error) {
	if q.Limit <= 0 {
		q.Limit = usualEvents
	}
	all, err := c.o.Events.Select(history.EventFilter{
		Plan: q.Plan, Repository: q.Repository, Kind: event.Kind(q.Kind), MinSeverity: q.MinSeverity, Since: q.Since, Until: q.Until, Limit: min(q.Limit, mostEvents),
	})
	if err = c.passDamage(err); err != nil {
		return nil, err
	}
	return append([]event.Event{}, all...), nil
}
