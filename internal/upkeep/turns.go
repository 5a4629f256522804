package upkeep

import (
	"context"
	"time"

	"holdfast/repository"
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

// Locks are those of a repository, for work that takes turns with that of
// others.
type Locks interface {
	// Locked does some work under a lock. Between two calls of which the first
	// took long the lock is free.
	Locked(ctx context.Context, mode repository.LockMode, do func(ctx context.Context) error) error
	// Number tells, during a call of Locked, which exclusive lock is held: while
	// it is the same one nobody else was there. 0 is for a shared one.
	Number() int
}

// wereOthers tells whether others may have been in the repository since an
// exclusive lock was held.
func wereOthers(l Locks, lock int) bool { return lock == 0 || l.Number() != lock }

// inSlices does work under exclusive locks, and lets others in between, until
// nothing is left of it.
func inSlices(ctx context.Context, l Locks, slice func(ctx context.Context) (left int, err error)) error {
	for {
		left := 0
		err := l.Locked(ctx, repository.Exclusive, func(ctx context.Context) (err error) {
			left, err = slice(ctx)
			return err
		})
		if err != nil || left == 0 {
			return err
		}
		if err := rest(ctx, turnPause); err != nil {
			return err
		}
	}
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
