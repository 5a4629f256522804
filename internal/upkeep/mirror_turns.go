package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/repository"
)

// MirrorTurns tells how work on a mirror takes turns with that of others.
type MirrorTurns struct {
	Locks
	// Planned is told of each plan, under a shared lock, and says whether to go
	// on with it.
	Planned func(p *MirrorPlan) (goOn bool)
	// Allowed is asked under the exclusive lock, before anything is deleted; an
	// error keeps it from that.
	Allowed func(ctx context.Context) error
}

// Mirror copies to a mirror what it lacks and then, if asked, deletes what the
// repository does not have. Only for that it has the mirror for itself, for a
// few seconds at a time. With problems nothing is deleted, nor, with an error that
// wraps ErrIncomplete, while the repository lacks what its snapshots need.
//
// It returns what was done, also beside an error.
func Mirror(ctx context.Context, from, to *repository.Repository, o MirrorOptions, t MirrorTurns) (*MirrorReceipt, error) {
	m := &mirrorTurns{t: t}
	var err error
	for range plansAtMost {
		err = t.Locked(ctx, repository.Shared, func(ctx context.Context) error { return m.copy(ctx, from, to, o) })
		if err == nil && m.goOn && o.Delete && m.receipt.Problems == 0 && m.plan.Surplus() > 0 {
			if err = m.plan.heldBack; err == nil {
				err = inSlices(ctx, t, m.slice)
			}
		}
		if !errors.Is(err, ErrOutdated) {
			break
		}
	}
	if m.plan != nil {
		m.receipt.Surplus = m.plan.Surplus()
	}
	return &m.receipt, err
}

// mirrorTurns is the work of one Mirror.
type mirrorTurns struct {
	t       MirrorTurns
	plan    *MirrorPlan
	goOn    bool
	lock    int // the one under which the plan was made
	receipt MirrorReceipt
}

func (m *mirrorTurns) copy(ctx context.Context, from, to *repository.Repository, o MirrorOptions) (err error) {
	m.lock = m.t.Number()
	if m.plan, err = PlanMirror(ctx, from, to, o); err != nil {
		return err
	}
	if m.goOn = m.t.Planned(m.plan); !m.goOn {
		return nil
	}
	done, err := m.plan.Execute(ctx)
	m.receipt.plus(done)
	return err
}

// plus adds what was done by one more plan.
func (r *MirrorReceipt) plus(more *MirrorReceipt) {
	r.Present = more.Present
	r.Copied.plus(more.Copied)
	r.Replaced += more.Replaced
	r.Problems += more.Problems
}

// slice deletes for a while, and returns how many files are left to be deleted.
func (m *mirrorTurns) slice(ctx context.Context) (left int, err error) {
	if wereOthers(m.t, m.lock) {
		if err := m.plan.stillHolds(ctx); err != nil {
			return 0, err
		}
	}
	if err := m.t.Allowed(ctx); err != nil { // holds are placed without a lock
		return 0, err
	}
	deleted, err := m.plan.deleteFor(ctx, aloneAtMost)
	m.receipt.Deleted += deleted
	return m.plan.Surplus(), err
}

// stillHolds returns an error that wraps ErrOutdated when others changed in the
// mirror what the plan goes by; see above on what others do.
func (p *MirrorPlan) stillHolds(ctx context.Context) error {
	for _, k := range [...]repository.FileKind{repository.SnapshotFile, repository.IndexFile} {
		there, err := listed(ctx, p.to, k)
		if err != nil {
			return fmt.Errorf("mirror: %w", err)
		}
		for i := range there {
			if !p.known.Has(i) {
				return fmt.Errorf("mirror: %w: %s %s is new there", ErrOutdated, k, i.Short())
			}
		}
		for i := range p.indexed {
			if k == repository.IndexFile && !there.Has(i) {
				return fmt.Errorf("mirror: %w: index file %s is gone there", ErrOutdated, i.Short())
			}
		}
	}
	return nil
}

// deleteFor deletes what is surplus until the time is up, in the reverse of the
// order in which files are copied: no snapshot ever lacks something, no index
// file names a pack that is gone.
func (p *MirrorPlan) deleteFor(ctx context.Context, atMost time.Duration) (deleted int, err error) {
	began := time.Now()
	for n := len(mirrored) - 1; n >= 0; n-- {
		for len(p.surplus[n]) > 0 {
			if time.Since(began) >= atMost {
				return deleted, nil
			}
			batch := p.surplus[n][:min(removedAtOnce(p.to.Store()), len(p.surplus[n]))]
			if err := p.to.RemoveFiles(ctx, mirrored[n], batch, nil); err != nil {
				return deleted, err
			}
			p.surplus[n] = p.surplus[n][len(batch):]
			deleted += len(batch)
		}
	}
	return deleted, nil
}
