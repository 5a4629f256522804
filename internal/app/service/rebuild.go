package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
)

// Rebuild is what repositories know of the state of a service that lost its
// own.
type Rebuild struct {
	// Pauses are those that last.
	Pauses map[string]controller.Pause
	// Runs are those that repositories have receipts of, by their IDs, and
	// Receipts how far each repository has them.
	Runs     map[string]history.Run
	Receipts map[string]time.Time
	// Backups has, for each plan and each type of backup, when the newest
	// snapshot was made; a plan's sources each have one: the oldest of these.
	Backups map[string]map[string]time.Time
}

// rebuild fills an empty ledger: with when jobs ran last, so that nothing that
// was done is done again and what was missed meanwhile is caught up, with
// pauses, and with how large repositories were. It goes by the history, which
// is that of the receipts if it is gone too, and by the snapshots. A run that the crash cut off is in neither: its schedule, if it
// was due, brings it again.
func (s *service) rebuild(ctx context.Context, r *Rebuild, jobs []controller.Job) error {
	kept := journal{s.ledger}
	count := 0
	for i := range jobs {
		state, err := s.stateOf(r, &jobs[i])
		if err != nil {
			return err
		}
		if len(state.Handled) == 0 && state.Last == nil {
			continue
		}
		if err := kept.Save(ctx, jobs[i].ID, state); err != nil {
			return err
		}
		count++
	}
	for plan, p := range r.Pauses {
		if err := kept.SavePause(ctx, plan, &p); err != nil {
			return err
		}
	}
	for repository, until := range r.Receipts {
		if _, err := s.ledger.Put(ctx, receiptsKey+repository, receiptsKept{Until: until}, ledger.AnyRevision); err != nil {
			return err
		}
	}
	if err := s.rebuildGrowth(ctx); err != nil {
		return err
	}
	s.events.Emit(event.Event{
		Time: time.Now(), Kind: event.LedgerRebuilt, Severity: event.Warning,
		Summary: fmt.Sprintf("the state of the service was made anew: %d of %d jobs ran before, %d plans are paused", count, len(jobs), len(r.Pauses)),
	})
	return nil
}

// rebuildRuns bounds the runs of a job that are looked at: the newest of each
// variant is among them, but for one that is much rarer than the others.
const rebuildRuns = 500

// stateOf returns the state of a job by what is known of its runs.
func (s *service) stateOf(r *Rebuild, j *controller.Job) (controller.State, error) {
	runs, err := s.history.Select(history.Filter{Plan: j.Plan, Job: j.Kind, Limit: rebuildRuns})
	if err != nil && !errors.Is(err, history.ErrDamaged) {
		return controller.State{}, err
	}
	state := controller.State{Handled: make(map[string]time.Time)}
	for i := range runs { // newest first
		run := &runs[i]
		if j.Plan == "" && run.Plan != "" || run.Repository != j.Repository {
			continue
		}
		ended := &controller.Ended{ID: run.ID, Variant: run.Type, Outcome: run.Outcome, Reason: run.Reason, Due: run.Due, At: run.Ended}
		if state.Last == nil {
			state.Last = ended
		}
		if !run.Outcome.Good() {
			continue
		}
		if state.LastGood == nil {
			state.LastGood = ended
		}
		state.Rounds++
		noteDone(state.Handled, j, run.Type, began(run))
	}
	if j.Kind == history.Backup {
		for variant, at := range r.Backups[j.Plan] {
			noteDone(state.Handled, j, variant, at)
		}
	}
	return state, nil
}

func began(r *history.Run) time.Time {
	if r.Started.IsZero() {
		return r.Ended
	}
	return r.Started
}

// noteDone marks what a good run of a variant dealt with: itself, and the
// weaker ones after it.
func noteDone(handled map[string]time.Time, j *controller.Job, variant string, at time.Time) {
	done := false
	for _, v := range j.Variants {
		done = done || v.Name == variant || len(j.Variants) == 1
		if done && at.After(handled[v.Name]) {
			handled[v.Name] = at
		}
	}
}

// setLedgerAside takes a ledger that cannot be used out of the way.
func (s *service) setLedgerAside() error {
	if err := s.dir.make(); err != nil {
		return err
	}
	return ledger.SetAside(s.dir.LedgerDir())
}
