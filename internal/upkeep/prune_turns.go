package upkeep

import (
	"context"
	"errors"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/storage"
)

// Turns tells how work on a repository takes turns with that of others.
type Turns struct {
	Locks
	// Planned is told of each plan, under a shared lock, and says whether to go
	// on with it.
	Planned func(ctx context.Context, p *PrunePlan) (goOn bool, err error)
	// Allowed is asked under the exclusive lock, before anything is deleted; an
	// error keeps it from that.
	Allowed func(ctx context.Context) error
}

// Prune prunes a repository while others work in it. Under a shared lock it
// finds out what snapshots need and stores what takes the place of what goes;
// for itself it has the repository only to look at what arrived meanwhile and
// to delete, for a few seconds at a time.
//
// It returns the plan it followed last, also beside an error.
func Prune(ctx context.Context, r *repository.Repository, o PruneOptions, t Turns) (p *PrunePlan, err error) {
	if o.Slice == 0 {
		o.Slice = aloneAtMost
	}
	for range plansAtMost {
		p, err = pruneOnce(ctx, r, o, t)
		if errors.Is(err, storage.ErrFull) {
			return pruneFull(ctx, r, o, t, err)
		}
		if !errors.Is(err, ErrOutdated) {
			break
		}
	}
	return p, err
}

// pruneFull prunes where there is no room to store what takes the place of
// packs: only what goes as a whole goes, and what is of no use to anybody goes
// before anything is written.
func pruneFull(ctx context.Context, r *repository.Repository, o PruneOptions, t Turns, full error) (p *PrunePlan, err error) {
	if o.Warn != nil {
		o.Warn(r.Location(), full)
	}
	o.MaxRepack = new(size.Bytes)
	err = t.Locked(ctx, repository.Exclusive, func(ctx context.Context) error {
		if p, err = PlanPrune(ctx, r, o); err != nil {
			return err
		}
		goOn, err := t.Planned(ctx, p)
		if err != nil || !goOn {
			return err
		}
		if err := t.Allowed(ctx); err != nil {
			return err
		}
		return p.Execute(ctx)
	})
	return p, err
}

func pruneOnce(ctx context.Context, r *repository.Repository, o PruneOptions, t Turns) (p *PrunePlan, err error) {
	goOn, lock := false, 0
	err = t.Locked(ctx, repository.Shared, func(ctx context.Context) error {
		lock = t.Number()
		if p, err = planInTurn(ctx, r, o, t); err != nil {
			return err
		}
		if goOn, err = t.Planned(ctx, p); err != nil || !goOn {
			return err
		}
		cleaned := make(chan error, 1)
		go func() { cleaned <- p.Clean(ctx) }()
		if p.NothingToDo() {
			goOn = false
			return <-cleaned
		}
		if err := errors.Join(p.Prepare(ctx), <-cleaned); err != nil {
			return err
		}
		if wereOthers(t, lock) {
			return p.CatchUp(ctx) // now, not while others wait
		}
		return nil
	})
	if err != nil || !goOn {
		return p, err
	}
	return p, inSlices(ctx, t, func(ctx context.Context) (left int, err error) {
		err = p.turn(ctx, t, lock)
		return p.Left(), err
	})
}

// planInTurn makes a plan under the lock that is held. An exclusive one lets it
// ask for all lists at once; if others were let in meanwhile, they may not go
// together.
func planInTurn(ctx context.Context, r *repository.Repository, o PruneOptions, t Turns) (*PrunePlan, error) {
	lock := t.Number()
	if lock == 0 {
		return PlanPrune(ctx, r, o)
	}
	o.alone = true
	p, err := PlanPrune(ctx, r, o)
	if t.Number() == lock {
		return p, err
	}
	o.alone = false
	return PlanPrune(ctx, r, o)
}

// turn does what needs the repository for itself. The plan was made under a
// lock.
func (p *PrunePlan) turn(ctx context.Context, t Turns, lock int) error {
	if wereOthers(t, lock) {
		if err := p.CatchUp(ctx); err != nil {
			return err
		}
	}
	if err := t.Allowed(ctx); err != nil { // holds are placed without a lock
		return err
	}
	return p.Execute(ctx)
}
