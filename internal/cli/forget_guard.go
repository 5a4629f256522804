package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"holdfast/internal/evidence"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// guardFlags say what a run of forget may not do.
type guardFlags struct {
	maxShare   float64
	trustTimes bool
}

func (f *guardFlags) register(fl *pflag.FlagSet) {
	fl.Float64Var(&f.maxShare, "max-share", 50, "stop when a policy would remove more than this `percentage` of a group, and more than 10 snapshots; 100 for no limit")
	fl.BoolVar(&f.trustTimes, "trust-times", false, "count snapshots whose dates cannot be true, such as those of backups with --time")
}

// guardedShare is the part of a group that one run may remove. Whoever says
// that everything may go means it.
func guardedShare(f *forgetFlags) float64 {
	if f.removeAll || f.policy.Empty() {
		return 0
	}
	return f.guards.maxShare
}

// loadToForget loads the snapshots and, where nobody else is, what was proven
// beside them. What is held is asked for later, and last: see guards.
func (c *command) loadToForget(ctx context.Context, t *turns) (all []*snapshot.Snapshot, err error) {
	if t.Number() == 0 {
		return c.snapshots(ctx, t.r)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { all, err = c.snapshots(gctx, t.r); return err })
	g.Go(func() error { return t.loadProven(gctx) })
	err = g.Wait()
	return all, err
}

// loadProven loads which snapshots were proven, once.
func (t *turns) loadProven(ctx context.Context) (err error) {
	if t.proven == nil {
		t.proven, err = t.c.proven(ctx, t.r)
	}
	return err
}

// guards gathers what the guards go by.
func (c *command) guards(ctx context.Context, t *turns, f *forgetFlags, all []*snapshot.Snapshot) (g upkeep.Guards, err error) {
	g.MaxShare = guardedShare(f)
	if !f.guards.trustTimes {
		g.Stored = make(map[id.ID]time.Time)
		for _, s := range all {
			g.Stored[s.ID] = s.Stored
		}
	}
	if err := t.loadProven(ctx); err != nil {
		return g, err
	}
	g.Proven = t.proven
	active, err := t.held(ctx) // last: what is removed goes by it
	g.Held = held(active)
	return g, err
}

// newestProofs bounds the records of proofs that are read.
const newestProofs = 200

// proven returns the snapshots that were restored and found right, by the
// evidence in the repository. Records that cannot be read are told of.
func (c *command) proven(ctx context.Context, r *repository.Repository) (id.Set, error) {
	keys, err := evidence.Keys(ctx, r)
	if errors.Is(err, storage.ErrUnsupported) { // a place that keeps none
		return id.Set{}, nil
	}
	if err != nil {
		return nil, err
	}
	proven := make(id.Set)
	read := 0
	for _, key := range keys {
		if !evidence.IsOf(key, evidence.Proof) && !evidence.IsOf(key, evidence.Restore) {
			continue
		}
		if read++; read > newestProofs {
			break
		}
		record, err := evidence.Load(ctx, r, key)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			c.ui.warn("evidence", key, err)
		case record.Problems == 0 && record.Snapshot != nil:
			proven.Add(*record.Snapshot)
		}
	}
	return proven, nil
}

// explainGuard says what to do about what a guard holds back.
func explainGuard(err error) error {
	switch {
	case errors.Is(err, upkeep.ErrTooMany):
		return fmt.Errorf("%w; nothing was removed; look at the plan with --dry-run, and at where the snapshots come from; if it is right, allow it with --max-share 100", err)
	case errors.Is(err, upkeep.ErrProven):
		return fmt.Errorf("%w; nothing was removed; prove a newer one first, or remove it all the same with --unsafe-allow-remove-all", err)
	case errors.Is(err, upkeep.ErrHeld):
		return fmt.Errorf("%w; nothing was removed; `holdfast hold release` ends a hold", err)
	}
	return err
}
