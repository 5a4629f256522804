package cli

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/hold"
	"holdfast/internal/trace"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/id"
)

// aloneFirst is for how long work that takes turns with others keeps the
// exclusive lock that it began with: what is short is done by then, with one
// lock in all.
const aloneFirst = 5 * time.Second

// turns takes the locks of work on a repository that others shall not wait for.
// When nobody is there it begins with the exclusive lock, for whatever it does,
// and shares that one after aloneFirst if what it does then can be shared.
type turns struct {
	c *command
	r *repository.Repository
	// shares tells that nothing is removed: all of the work shares the repository.
	shares bool
	// longest is for how long nobody else could work in the repository.
	longest time.Duration

	lock    *repository.Lock
	locked  context.Context
	holding trace.Span
	alone   atomic.Bool // the lock is exclusive
	since   time.Time
	taken   int // how many locks were

	proven id.Set      // see loadProven
	active []hold.Hold // what was held
	asked  asked
}

// asked says when it was asked what is held, and under which exclusive lock.
type asked struct {
	at   time.Time
	lock int
}

// heldFor is how long the answer to what is held may be used again under one
// exclusive lock, by what does not delete right after others were asked.
const heldFor = time.Second

// held returns what is held. A backup that saw an anomaly shares the repository,
// but people place holds without a lock: an answer is used again only for a
// moment, and under one exclusive lock.
func (t *turns) held(ctx context.Context) ([]hold.Hold, error) {
	if t.asked.lock != 0 && t.asked.lock == t.Number() && time.Since(t.asked.at) < heldFor {
		return t.active, nil
	}
	return t.heldNow(ctx)
}

// heldNow is held for who may have taken a while since it was asked: it asks
// again.
func (t *turns) heldNow(ctx context.Context) ([]hold.Hold, error) {
	now := asked{time.Now(), t.Number()}
	active, err := hold.Active(ctx, t.r)
	if err != nil {
		return nil, err
	}
	t.active, t.asked = active, now
	return active, nil
}

var _ upkeep.Locks = (*turns)(nil)

// Number tells which exclusive lock is held, 0 for a shared one.
func (t *turns) Number() int {
	if !t.alone.Load() {
		return 0
	}
	return t.taken
}

// Locked does some work under a lock. Unless that one is exclusive and was taken
// a moment ago, it is released then.
func (t *turns) Locked(ctx context.Context, mode repository.LockMode, do func(context.Context) error) error {
	if t.shares {
		return t.c.locked(ctx, t.r, repository.Shared, func(ctx context.Context, _ *repository.Repository) error { return do(ctx) })
	}
	if err := t.take(ctx, mode); err != nil {
		return err
	}
	stop := func() {}
	if t.alone.Load() && mode == repository.Shared {
		stop = t.shareAfter(aloneFirst - time.Since(t.since))
	}
	err := orLockLost(t.locked, do(t.locked))
	stop()
	if err != nil || !t.alone.Load() || time.Since(t.since) >= aloneFirst {
		return errors.Join(err, t.end(err))
	}
	return nil
}

// inTurns does work that takes turns with others, or shares the repository
// throughout if it only reads and adds; what only reads may do without a lock.
func (c *command) inTurns(r *repository.Repository, shares bool, do func(*turns) error) error {
	if c.global.noLock && !shares {
		return errNeedsLock
	}
	t := &turns{c: c, r: r, shares: shares}
	err := do(t)
	return errors.Join(err, t.end(err))
}

func (t *turns) take(ctx context.Context, mode repository.LockMode) error {
	if t.lock != nil {
		return nil // it is exclusive
	}
	got, o := repository.Exclusive, t.c.lockOptions()
	if mode == repository.Shared {
		o.Retry = 0
	}
	lock, locked, err := t.c.lock(ctx, t.r, got, o)
	var others *repository.LockedError
	if errors.As(err, &others) && mode == repository.Shared {
		got = mode
		lock, locked, err = t.c.lock(ctx, t.r, mode, t.c.lockOptions())
	}
	if err != nil {
		return err
	}
	t.lock, t.since = lock, time.Now()
	t.taken++
	t.alone.Store(got == repository.Exclusive)
	t.locked, t.holding = trace.Start(locked, "hold lock", exclusively(got))
	return nil
}

// shareAfter shares the exclusive lock after a while, unless it is stopped
// before.
func (t *turns) shareAfter(d time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(t.locked)
	var sharing sync.WaitGroup
	sharing.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(d):
		}
		if err := t.lock.Share(t.locked); err != nil {
			if t.locked.Err() == nil {
				t.c.ui.warn("lock", "", err)
			}
			return
		}
		t.wasAlone()
	})
	return func() {
		cancel()
		sharing.Wait()
	}
}

func (t *turns) wasAlone() {
	if t.alone.Swap(false) {
		t.longest = max(t.longest, time.Since(t.since))
	}
}

// end releases the lock, if there is one. The error is that of the work.
func (t *turns) end(err error) error {
	if t.lock == nil {
		return nil
	}
	released := t.lock.Unlock()
	t.lock = nil
	t.wasAlone()
	t.holding.End(err)
	return released
}
