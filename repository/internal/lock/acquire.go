package lock

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"holdfast/repository/id"
)

// Options tell how a lock is taken.
type Options struct {
	Exclusive bool
	// Retry is how long to wait for a conflicting lock to go.
	Retry time.Duration
	// Waiting, if set, is called once when waiting begins.
	Waiting func(by *ConflictError)
	// Warn, if set, is told of refreshes that failed and will be retried.
	Warn func(err error)
	// Meanwhile, if set, reads what the work under the lock begins with. It runs
	// while a shared lock settles, which it does not disturb; when that proves to
	// have been too early, or it failed, it runs once more under the lock. Only
	// what it has read when Acquire returns without an error counts. In return
	// the lock is written beside the first look for others.
	Meanwhile func(ctx context.Context) error
	// Early hands a shared lock out before it is certain, if that can be had:
	// the work can begin to read, and Hold keeps it from changing anything until
	// then. When somebody else turns out to have the repository the context of the
	// work ends, with the cause an ErrLost that wraps the *ConflictError. What is
	// found out under such a lock counts once Certain says so. As with Meanwhile
	// the lock is written beside the first look. With Retry it is not done.
	Early bool
	// Hold holds back all changes of the process until release is called.
	Hold func() (release func())
	// Freeze, if set, holds back all other storage operations of the process
	// until the returned function is called. It is used while a lock that
	// grew stale (a suspended machine) is brought back.
	Freeze func() (thaw func())
	// Now is the wall clock; nil means time.Now. Tests set it forward, as
	// waking from a suspend does.
	Now func() time.Time
}

// now returns the wall clock's time, without the monotonic one.
func (o *Options) now() time.Time {
	if o.Now == nil {
		return time.Now().Round(0)
	}
	return o.Now().Round(0)
}

func (o *Options) warn(err error) {
	if o.Warn != nil && err != nil {
		o.Warn(err)
	}
}

// The waits between attempts while a conflicting lock is there: short enough
// for the pauses that work in slices makes for others, and long enough not to
// cost much where each look is a request.
const (
	retryWaitStart = 500 * time.Millisecond
	retryWaitMax   = 5 * time.Second
)

// Acquire takes a lock. The returned context ends with the lock: when it is
// released, or, with the cause ErrLost, when it could not be kept. The lock
// must be released by Unlock, however its context ends. Locks that processes of
// this machine left when they died stand in nobody's way: they are removed.
func Acquire(ctx context.Context, f Files, o Options) (*Lock, context.Context, error) {
	deadline := time.Now().Add(o.Retry)
	wait := retryWaitStart
	buried := 0
	hurry := o.Meanwhile != nil && !o.Exclusive || o.early() // once: who waits looks first
	for told := false; ; {
		l, early, err := tryAcquire(ctx, f, o, hurry)
		switch {
		case err == nil && l.settling != nil:
			return l, l.keep(ctx), nil
		case err == nil:
			return l.begin(ctx, early)
		}
		hurry = false
		var conflict *ConflictError
		if errors.As(err, &conflict) && conflict.Other.isDead() && buried < maxBurials {
			buried++
			if err := removeDead(ctx, f); err != nil {
				return nil, ctx, err
			}
			continue
		}
		left := time.Until(deadline)
		if conflict == nil || left <= 0 {
			return nil, ctx, err
		}
		if !told && o.Waiting != nil {
			o.Waiting(conflict)
		}
		told = true
		if err := sleep(ctx, min(jitter(wait), left)); err != nil {
			return nil, ctx, err
		}
		wait = min(2*wait, retryWaitMax)
	}
}

// jitter returns a time between half of d and d: two programs that started
// together and backed out before each other must not go on in step.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }

// tryAcquire makes one attempt: look, write, wait, look again, and back out
// when another program was faster.
func tryAcquire(ctx context.Context, f Files, o Options, hurry bool) (*Lock, *reading, error) {
	l := &Lock{files: f, options: o, info: newInfo(o.Exclusive)}
	asked := o.stamp()
	err := l.lookAndWrite(ctx, hurry)
	if err != nil {
		return nil, nil, err
	}
	inTime := o.since(asked) < settleTime
	if inTime && o.early() {
		l.handOut()
		return l, nil, nil
	}
	early := o.readEarly(ctx, inTime)
	err = sleep(ctx, settleTime)
	if err == nil {
		err = l.checkOthers(ctx, l.files)
	}
	if err != nil {
		early.abandon()
		return nil, nil, errors.Join(err, l.remove(ctx))
	}
	return l, early, nil
}

// lookAndWrite looks for others and writes the lock: one after the other, or,
// in a hurry, side by side. A shared lock that has to go again at once has been
// in the way only of those who could not have had the repository either.
func (l *Lock) lookAndWrite(ctx context.Context, hurry bool) error {
	if !hurry {
		if err := l.checkOthers(ctx, l.files); err != nil {
			return err
		}
		return l.writeFirst(ctx)
	}
	seen := listAhead(ctx, l.files)
	err := l.writeFirst(ctx)
	if lerr := seen.wait(); err != nil || lerr != nil {
		return errors.Join(err, lerr, l.remove(ctx))
	}
	if err := l.checkOthers(ctx, seen); err != nil {
		return errors.Join(err, l.remove(ctx))
	}
	return nil
}

// writeFirst writes the first file of the lock, or leaves none.
func (l *Lock) writeFirst(ctx context.Context) (err error) {
	if l.held, err = l.write(ctx); err != nil {
		_ = l.remove(ctx) // most likely it is not there
		l.held = file{}
	}
	return err
}

// unreadableWaits are the times to wait before a lock that could not be read
// is tried again: it may be half written on a weak store.
var unreadableWaits = [...]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}

// checkOthers returns a *ConflictError when another lock conflicts with this
// one, an *UnreadableError when one cannot be judged.
func (l *Lock) checkOthers(ctx context.Context, f Files) error {
	judged := id.NewSet(l.held.id)
	for attempt := 0; ; attempt++ {
		err := eachBut(ctx, f, judged, func(i id.ID, info Info, err error) error {
			switch {
			case err != nil:
				return &UnreadableError{ID: i, Err: err}
			case info.conflicts(l.info.Exclusive):
				return &ConflictError{ID: i, Other: info, Stale: info.IsStale(l.options.now())}
			}
			judged.Add(i)
			return nil
		})
		l.others = len(judged) - 1 // but its own
		var unreadable *UnreadableError
		if !errors.As(err, &unreadable) || attempt == len(unreadableWaits) {
			return err
		}
		if err := sleep(ctx, unreadableWaits[attempt]); err != nil {
			return err
		}
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
