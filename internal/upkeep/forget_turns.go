package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// ForgetTurns tells how snapshots are removed in turns with others.
type ForgetTurns struct {
	Locks
	// Load returns all snapshots, and Decide makes a plan out of them, and says
	// whether to go on with it. Both are called under a shared lock, and again
	// when others changed something meanwhile.
	Load   func(ctx context.Context) ([]*snapshot.Snapshot, error)
	Decide func(ctx context.Context, all []*snapshot.Snapshot) (p *ForgetPlan, goOn bool, err error)
	// Held is asked under the exclusive lock, before anything is removed, what
	// says of snapshots why they must stay, as in Guards.
	Held func(ctx context.Context) (func(*snapshot.Snapshot) string, error)
}

// Forget removes snapshots while others work in the repository: for itself it
// has it only to see that what the plan keeps is still there, and to remove,
// for a few seconds at a time. It returns the plan that it followed, also beside an error.
func Forget(ctx context.Context, r *repository.Repository, t ForgetTurns) (plan *ForgetPlan, err error) {
	for range plansAtMost {
		var all []*snapshot.Snapshot
		goOn, lock := false, 0
		err = t.Locked(ctx, repository.Shared, func(ctx context.Context) error {
			lock = t.Number()
			if all, err = t.Load(ctx); err != nil {
				return err
			}
			plan, goOn, err = t.Decide(ctx, all)
			return err
		})
		if err != nil || !goOn || len(plan.Remove()) == 0 {
			return plan, err
		}
		if err = plan.inTurns(ctx, r, all, t, lock); !errors.Is(err, ErrOutdated) {
			break
		}
	}
	return plan, err
}

// inTurns removes the snapshots, and lets others in between.
func (p *ForgetPlan) inTurns(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot, t ForgetTurns, lock int) error {
	left := p.Remove()
	p.Locked = make(id.Set)
	return inSlices(ctx, t, func(ctx context.Context) (int, error) {
		if wereOthers(t, lock) {
			if err := p.stillThere(ctx, r, all); err != nil {
				return 0, err
			}
		}
		if err := notHeld(ctx, left, t); err != nil { // holds are placed without a lock
			return 0, err
		}
		var err error
		left, err = p.removeFor(ctx, r, left, aloneAtMost)
		return len(left), err
	})
}

// stillThere returns an error that wraps ErrOutdated when something is gone that
// the plan keeps: what stays because of that would go otherwise. What is new
// changes nothing: the plan is as good as if it had come later.
func (p *ForgetPlan) stillThere(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error {
	there, err := listed(ctx, r, repository.SnapshotFile)
	if err != nil {
		return err
	}
	goes := make(id.Set)
	for _, s := range p.Remove() {
		goes.Add(s.ID)
	}
	for _, s := range all {
		if !goes.Has(s.ID) && !there.Has(s.ID) {
			return fmt.Errorf("%w: snapshot %s is gone", ErrOutdated, s.ID.Short())
		}
	}
	return nil
}

// notHeld returns an error that wraps ErrOutdated when something is held that
// was to go.
func notHeld(ctx context.Context, left []*snapshot.Snapshot, t ForgetTurns) error {
	held, err := t.Held(ctx)
	if err != nil || held == nil {
		return err
	}
	for _, s := range left {
		if held(s) != "" {
			return fmt.Errorf("%w: snapshot %s is held now", ErrOutdated, s.ID.Short())
		}
	}
	return nil
}

// removeFor removes snapshots until the time is up, and returns those that are
// left.
func (p *ForgetPlan) removeFor(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot, atMost time.Duration) (left []*snapshot.Snapshot, err error) {
	var failed []error
	for began := time.Now(); len(list) > 0 && (atMost == 0 || time.Since(began) < atMost); {
		var ids []id.ID
		for _, s := range list[:min(removedAtOnce(r.Store()), len(list))] {
			ids = append(ids, s.ID)
		}
		list = list[len(ids):]
		err := r.RemoveFiles(ctx, repository.SnapshotFile, ids, func(i id.ID, err error) {
			if errors.Is(err, storage.ErrImmutable) {
				p.Locked.Add(i)
				return
			}
			failed = append(failed, err)
		})
		if err != nil {
			return list, errors.Join(append(failed, err)...)
		}
	}
	return list, errors.Join(failed...)
}
