package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"holdfast/internal/trace"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// noRepository marks a place that does not exist as holding no repository.
func noRepository(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %w, or make a new repository there with `holdfast init`", repository.ErrNoRepository, err)
	}
	return err
}

// errNeedsLock refuses --no-lock.
var errNeedsLock = errors.New("this command changes the repository: it cannot run with --no-lock")

// work opens the repository, locks it, does the work and lets go of it. The
// context given to do ends when the lock is lost.
func (c *command) work(ctx context.Context, mode repository.LockMode, do func(ctx context.Context, r *repository.Repository) error) error {
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		return c.locked(ctx, r, mode, do)
	})
}

// loadedWork is work under a shared lock that begins with all snapshots and the
// index.
func (c *command) loadedWork(ctx context.Context, do func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error) error {
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error { return c.loaded(ctx, r, do) })
}

// listedWork is work under a shared lock that begins with all snapshots.
func (c *command) listedWork(ctx context.Context, do func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error) error {
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		return c.loadedWith(ctx, r, c.lockOptions(), c.snapshots, do)
	})
}

// earlyWork is work under a shared lock that begins while the lock settles.
func (c *command) earlyWork(ctx context.Context, do func(ctx context.Context, r *repository.Repository) error) error {
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error { return c.early(ctx, r, do) })
}

// opened opens the repository and does some work on it, which takes its locks
// by itself.
func (c *command) opened(ctx context.Context, do func(ctx context.Context, r *repository.Repository) error) error {
	r, err := c.openRepository(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, r), r.Close())
}

// locked does some work under a lock.
func (c *command) locked(ctx context.Context, r *repository.Repository, mode repository.LockMode, do func(ctx context.Context, r *repository.Repository) error) (err error) {
	return c.lockedWith(ctx, r, mode, c.lockOptions(), do)
}

// lockOptions are those of a lock that is waited for as long as the flags say.
func (c *command) lockOptions() repository.LockOptions {
	return repository.LockOptions{Retry: c.global.retryLock}
}

// early does some work under a shared lock, and begins while the lock settles:
// see repository.LockOptions.Early. It is for work that reads at first, and whose
// outcome is told at its end.
func (c *command) early(ctx context.Context, r *repository.Repository, do func(ctx context.Context, r *repository.Repository) error) error {
	o := c.lockOptions()
	o.Early = true
	return c.lockedWith(ctx, r, repository.Shared, o, do)
}

// loaded loads the snapshots and the index, and does some work under a shared
// lock. The lists are asked for while the lock settles.
func (c *command) loaded(ctx context.Context, r *repository.Repository, do func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error) error {
	return c.loadedWith(ctx, r, c.lockOptions(), c.loadAll, do)
}

// loadedEarly is loaded for work that may begin early, too.
func (c *command) loadedEarly(ctx context.Context, r *repository.Repository, do func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error) error {
	o := c.lockOptions()
	o.Early = true
	return c.loadedWith(ctx, r, o, c.loadAll, do)
}

// loadedWith loads something, while the lock settles or as the beginning of the
// work.
func (c *command) loadedWith(
	ctx context.Context, r *repository.Repository, o repository.LockOptions,
	load func(context.Context, *repository.Repository) ([]*snapshot.Snapshot, error),
	do func(context.Context, *repository.Repository, []*snapshot.Snapshot) error,
) error {
	var all []*snapshot.Snapshot
	loaded := false
	o.Meanwhile = func(ctx context.Context) (err error) {
		all, err = load(ctx, r)
		loaded = err == nil
		return err
	}
	return c.lockedWith(ctx, r, repository.Shared, o, func(ctx context.Context, r *repository.Repository) error {
		if !loaded {
			if err := o.Meanwhile(ctx); err != nil {
				return err
			}
		}
		return do(ctx, r, all)
	})
}

// lockedWith does some work under a lock, or, where the flags forbid one, without.
func (c *command) lockedWith(ctx context.Context, r *repository.Repository, mode repository.LockMode, o repository.LockOptions, do func(ctx context.Context, r *repository.Repository) error) (err error) {
	if c.global.noLock {
		if mode == repository.Exclusive {
			return errNeedsLock
		}
		return do(ctx, r)
	}
	lock, locked, err := c.lock(ctx, r, mode, o)
	if err != nil {
		return err
	}
	locked, holding := trace.Start(locked, "hold lock", exclusively(mode))
	defer func() { holding.End(err) }()
	err = do(locked, r)
	if uncertain := lock.Certain(locked); err == nil {
		err = uncertain
	}
	return errors.Join(orLockLost(locked, err), lock.Unlock())
}

// lock takes a lock.
func (c *command) lock(ctx context.Context, r *repository.Repository, mode repository.LockMode, o repository.LockOptions) (*repository.Lock, context.Context, error) {
	_, waiting := trace.Start(ctx, "wait for lock", exclusively(mode))
	o.Waiting = func(by *repository.LockedError) { c.ui.infof("%v; waiting up to %v", by, o.Retry) }
	o.Warn = func(err error) { c.ui.warn("lock", "", err) }
	lock, locked, err := r.Lock(ctx, mode, o)
	waiting.End(err)
	return lock, locked, err
}

func exclusively(mode repository.LockMode) slog.Attr {
	return slog.Bool("exclusive", mode == repository.Exclusive)
}

// orLockLost returns the loss of the lock in place of what came of it.
func orLockLost(locked context.Context, err error) error {
	if cause := context.Cause(locked); err != nil && errors.Is(cause, repository.ErrLockLost) {
		return cause
	}
	return err
}

// loadAll loads the snapshots, then the index, in the order that the format
// asks for. Damaged snapshots are reported and left out.
func (c *command) loadAll(ctx context.Context, r *repository.Repository) ([]*snapshot.Snapshot, error) {
	snapshots, err := c.snapshots(ctx, r)
	if err != nil {
		return nil, err
	}
	return snapshots, r.LoadIndex(ctx)
}

// snapshots loads all snapshots, oldest first.
func (c *command) snapshots(ctx context.Context, r *repository.Repository) ([]*snapshot.Snapshot, error) {
	snapshots, err := r.Snapshots(ctx)
	if err != nil && repository.IsCorrupt(err) {
		c.ui.warn("load snapshots", "", err)
		return snapshots, nil
	}
	return snapshots, err
}
