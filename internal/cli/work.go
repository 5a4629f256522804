package cli

import (
	"context"
	"errors"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// noRepository marks a place that does not exist as holding no repository.
func noRepository(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %w with `holdfast init`", repository.ErrNoRepository, err)
	}
	return err
}

// work opens the repository, locks it, does the work and lets go of it. The
// context given to do ends when the lock is lost.
func (c *command) work(ctx context.Context, mode repository.LockMode, do func(ctx context.Context, r *repository.Repository) error) error {
	r, err := c.openRepository(ctx)
	if err != nil {
		return err
	}
	return errors.Join(c.locked(ctx, r, mode, do), r.Close())
}

// locked does some work under a lock.
func (c *command) locked(ctx context.Context, r *repository.Repository, mode repository.LockMode, do func(ctx context.Context, r *repository.Repository) error) error {
	if c.global.noLock {
		if mode == repository.Exclusive {
			return errors.New("this command changes the repository: it cannot run with --no-lock")
		}
		return do(ctx, r)
	}
	lock, locked, err := r.Lock(ctx, mode, repository.LockOptions{
		Retry: c.global.retryLock,
		Waiting: func(by *repository.LockedError) {
			c.ui.infof("%v; waiting up to %v", by, c.global.retryLock)
		},
		Warn: func(err error) { c.ui.warn("lock", "", err) },
	})
	if err != nil {
		return err
	}
	err = do(locked, r)
	if cause := context.Cause(locked); err != nil && errors.Is(cause, repository.ErrLockLost) {
		err = cause
	}
	return errors.Join(err, lock.Unlock())
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
