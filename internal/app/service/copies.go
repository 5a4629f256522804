package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/config"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
	"holdfast/internal/metrics"
)

// copiesKey is where the ledger keeps what is known of the copies of a plan
// from one look to the next.
const copiesKey = "copies/"

// copyState is what is kept of one copy.
type copyState struct {
	// Without is since when it is known to hold nothing, Late that people were
	// told that it lags behind.
	Without time.Time `json:"without,omitzero"`
	Late    bool      `json:"late,omitempty"`
}

// tellCopies tells of copies that lag behind: whatever the reason, no run need
// have failed. A copy that waits for a lock for ever is one of them.
func (s *service) tellCopies(ctx context.Context, found map[string]console.PlanSurvey) error {
	cfg, jobs, now := s.config.Load(), s.signals.facts.Load().Jobs, time.Now()
	for name, p := range found {
		plan, there := cfg.Plans[name]
		if !there || p.Newest.IsZero() { // what was never backed up is told otherwise
			continue
		}
		var before map[string]copyState
		if _, err := s.ledger.Get(ctx, copiesKey+name, &before); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		after := make(map[string]copyState)
		for i := range p.Repositories {
			r := &p.Repositories[i]
			if r.Name == plan.Repository {
				continue
			}
			state := before[r.Name].next(r, copyWithin(name, r.Name, plan, jobs), now)
			if after[r.Name] = state; state.Late != before[r.Name].Late {
				s.events.Emit(copyEvent(name, r, state.Late, now))
			}
		}
		for copied, state := range before {
			if _, there := after[copied]; !there && state.Late {
				s.events.Emit(copyEvent(name, &console.RepositorySurvey{Name: copied}, false, now))
			}
		}
		if maps.Equal(before, after) {
			continue
		}
		if _, err := s.ledger.Put(ctx, copiesKey+name, after, ledger.AnyRevision); err != nil {
			return err
		}
	}
	return nil
}

// intervalsLate is how many intervals of its schedule a copy may be behind.
const intervalsLate = 2

// copyWithin is how old the newest point of a copy may become while there are
// newer ones: what the plan promises to lose at most or, where the schedule
// takes longer, two of its intervals. It is 0, for any age, without either.
func copyWithin(name, copied string, plan config.Plan, jobs []metrics.Job) time.Duration {
	within := time.Duration(plan.Objectives.RPO)
	for i := range jobs {
		j := &jobs[i]
		if j.Plan == name && (j.Job == history.Backup || j.Job == history.Copy && j.Repository == copied) {
			within = max(within, intervalsLate*j.Interval)
		}
	}
	return within
}

// next is the state of a copy after another look.
func (c copyState) next(r *console.RepositorySurvey, within time.Duration, now time.Time) copyState {
	if r.Holds {
		return copyState{}
	}
	newest := r.Newest
	if newest.IsZero() {
		if c.Without.IsZero() {
			c.Without = now
		}
		newest = c.Without
	} else {
		c.Without = time.Time{}
	}
	c.Late = within > 0 && now.Sub(newest) > within
	return c
}

// copyEvent tells that a copy lags behind, or does no more.
func copyEvent(plan string, r *console.RepositorySurvey, late bool, now time.Time) event.Event {
	e := event.Event{Time: now, Kind: event.CopyStale, Severity: event.Error, Plan: plan, Repository: r.Name, Key: event.CopyKey(plan, r.Name)}
	has := "it holds nothing"
	if !r.Newest.IsZero() {
		has = fmt.Sprintf("its newest recovery point is of %s, %v ago", r.Newest.UTC().Format("2006-01-02 15:04:05 UTC"), now.Sub(r.Newest).Round(time.Second))
	}
	switch {
	case !late:
		e.Severity, e.Over, e.Summary = event.Info, true, fmt.Sprintf("copy %s of plan %s lags behind no more", r.Name, plan)
	case r.Down != "":
		e.Summary = fmt.Sprintf("copy %s of plan %s cannot be looked at, and as far as is known %s, while there are newer ones: %s", r.Name, plan, has, r.Down)
	default:
		e.Summary = fmt.Sprintf("copy %s of plan %s lags behind: %s, and there are newer ones; `holdfast run list --plan %s` shows what keeps it", r.Name, plan, has, plan)
	}
	return e
}
