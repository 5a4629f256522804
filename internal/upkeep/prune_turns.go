package upkeep

import (
	"context"
	"errors"
	"time"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/storage"
)

const (
	// aloneAtMost bounds how long files are deleted before others get to the
	// repository, and turnPause how long they have for that: they look for its
	// lock every few seconds.
	aloneAtMost = 10 * time.Second
	turnPause   = 10 * time.Second
	// plansAtMost bounds how often a plan is made anew because others removed
	// something meanwhile.
	plansAtMost = 4
)

// Locked does some work under a lock. Between two calls of which the first took
// long the lock is free.
type Locked func(ctx context.Context, mode repository.LockMode, do func(ctx context.Context) error) error

// Turns tells how work on a repository takes turns with that of others.
type Turns struct {
	Locked Locked
	// Number, if set, tells during a call of Locked which exclusive lock is held:
	// while it is the same one nobody else was there. 0 is for a shared one.
	Number func() int
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

// exclusive returns which exclusive lock is held, 0 if that is not known.
func exclusive(number func() int) int {
	if number == nil {
		return 0
	}
	return number()
}

// since tells whether others may have been in the repository since an exclusive
// lock was held.
func since(number func() int, lock int) bool { return lock == 0 || exclusive(number) != lock }

func pruneOnce(ctx context.Context, r *repository.Repository, o PruneOptions, t Turns) (p *PrunePlan, err error) {
	goOn, lock := false, 0
	err = t.Locked(ctx, repository.Shared, func(ctx context.Context) error {
		lock = exclusive(t.Number)
		if p, err = PlanPrune(ctx, r, o); err != nil {
			return err
		}
		if goOn, err = t.Planned(ctx, p); err != nil || !goOn {
			return err
		}
		if err := p.Clean(ctx); err != nil {
			return err
		}
		if p.NothingToDo() {
			goOn = false
			return nil
		}
		if err := p.Prepare(ctx); err != nil {
			return err
		}
		if since(t.Number, lock) {
			return p.CatchUp(ctx) // now, not while others wait
		}
		return nil
	})
	if err != nil || !goOn {
		return p, err
	}
	for {
		if err := t.Locked(ctx, repository.Exclusive, func(ctx context.Context) error { return p.turn(ctx, t, lock) }); err != nil {
			return p, err
		}
		if p.Left() == 0 {
			break
		}
		if err := rest(ctx, turnPause); err != nil {
			return p, err
		}
	}
	return p, nil
}

// turn does what needs the repository for itself, and notes how long it did. The
// plan was made under a lock.
func (p *PrunePlan) turn(ctx context.Context, t Turns, lock int) error {
	began := time.Now()
	defer func() { p.Stats.Alone = max(p.Stats.Alone, time.Since(began)) }()
	if since(t.Number, lock) {
		if err := p.CatchUp(ctx); err != nil {
			return err
		}
	}
	if err := t.Allowed(ctx); err != nil { // holds are placed without a lock
		return err
	}
	return p.Execute(ctx)
}

// rest waits for d or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
