package upkeep

import (
	"context"
	"errors"
	"time"

	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// locks are real ones of a repository. What happens before the n-th exclusive
// one is up to between, and before the n-th shared one to beforeShared, if set.
type locks struct {
	r                     *repository.Repository
	between, beforeShared func(ctx context.Context, n int) error
	exclusive, shared     int
	// alone is for how long, at the longest, nobody else got in, and free for how
	// long, at the shortest, everybody could between two exclusive locks.
	alone, free time.Duration
	released    time.Time
}

func (l *locks) Locked(ctx context.Context, mode repository.LockMode, do func(context.Context) error) error {
	if err := l.others(ctx, mode); err != nil {
		return err
	}
	lock, locked, err := l.r.Lock(ctx, mode, repository.LockOptions{Retry: 24 * time.Hour})
	if err != nil {
		return err
	}
	began := time.Now()
	err = errors.Join(do(locked), lock.Unlock())
	if mode == repository.Exclusive {
		l.released = time.Now()
		l.alone = max(l.alone, l.released.Sub(began))
	}
	return err
}

// others have their turn.
func (l *locks) others(ctx context.Context, mode repository.LockMode) error {
	n, do := &l.shared, l.beforeShared
	if mode == repository.Exclusive {
		n, do = &l.exclusive, l.between
		if free := time.Since(l.released); !l.released.IsZero() && (l.free == 0 || free < l.free) {
			l.free = free
		}
	}
	*n++
	if do == nil {
		return nil
	}
	return do(ctx, *n)
}

func (*locks) Number() int { return 0 }

// numbered are locks that are all exclusive, one after the other.
type numbered struct {
	locks
	taken int
}

func (l *numbered) Locked(ctx context.Context, mode repository.LockMode, do func(context.Context) error) error {
	l.taken++
	return l.locks.Locked(ctx, mode, do)
}

func (l *numbered) Number() int { return l.taken }

// unlocked is for tests in which nobody else is there, but for what happens
// before each exclusive lock: real ones would only take time.
type unlocked struct {
	between func(ctx context.Context) error
}

// nothing happens.
func nothing(context.Context) error { return nil }

func (l unlocked) Locked(ctx context.Context, mode repository.LockMode, do func(context.Context) error) error {
	if mode == repository.Exclusive && l.between != nil {
		if err := l.between(ctx); err != nil {
			return err
		}
	}
	return do(ctx)
}

func (l unlocked) Number() int {
	if l.between == nil {
		return 1 // it is alone all the time
	}
	return 0
}

// editing edits all snapshots of a repository under some locks.
func editing(r *repository.Repository, l Locks) EditTurns {
	return EditTurns{
		Locks: l,
		Load: func(ctx context.Context) ([]*snapshot.Snapshot, error) {
			all, err := r.Snapshots(ctx)
			if err != nil && !repository.IsCorrupt(err) {
				return nil, err
			}
			return all, loadIndex(ctx, r)
		},
		Choose:  func(_ context.Context, all []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) { return all, nil },
		Allowed: func(context.Context, []*snapshot.Snapshot) error { return nil },
	}
}
