package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/repository/id"
)

const (
	// removeTimeout bounds the removal of a lock after its context has ended.
	removeTimeout = 30 * time.Second
	// reviveTimeout bounds the attempt to bring a stale lock back, and so how
	// long everything else stands still. With it the holder still gives up
	// before StaleAfter.
	reviveTimeout = refreshInterval
)

// Lock is a lock that is held. Unlock releases it.
//
// One goroutine keeps it fresh and owns held and abandoned until it ends;
// then Unlock does.
type Lock struct {
	files   Files
	options Options
	info    Info // but for the time, which each file has its own of

	others    int     // locks of others, when it was last looked for them
	held      file    // the file that is the lock
	abandoned []id.ID // files to be deleted

	settling *settling       // of a lock that was handed out early
	shares   chan chan error // see Share
	cancel   context.CancelCauseFunc
	done     chan struct{}
	once     sync.Once
	err      error
}

// keep starts the goroutine that refreshes the lock until the returned
// context ends. The lock file stays until Unlock: the work that was under way
// may need a while to end.
func (l *Lock) keep(ctx context.Context) context.Context {
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.done, l.shares = make(chan struct{}), make(chan chan error)
	go func() {
		defer close(l.done)
		l.settle(ctx)
		l.refreshUntilDone(ctx)
	}()
	return ctx
}

// refreshUntilDone keeps the lock until ctx ends, which it ends itself when
// the lock is lost.
func (l *Lock) refreshUntilDone(ctx context.Context) {
	tick := time.NewTicker(monitorInterval)
	defer tick.Stop()
	var failed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case answer := <-l.shares:
			answer <- l.share(ctx)
			continue
		case <-tick.C:
		}
		age := l.age()
		switch {
		case age >= refreshDeadline:
			l.revive(ctx)
		case age >= refreshInterval && time.Since(failed) >= refreshRetry:
			if err := l.refresh(ctx); err != nil && ctx.Err() == nil {
				failed = time.Now()
				l.options.warn(fmt.Errorf("refresh repository lock, will try again: %w", err))
			}
		}
	}
}

// Share makes an exclusive lock a shared one, without a moment in which there is
// none. After an error it is as it was.
func (l *Lock) Share(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case l.shares <- answer:
		return <-answer
	case <-l.done:
		return ErrLost
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Lock) share(ctx context.Context) error {
	was := l.info.Exclusive
	l.info.Exclusive = false
	if err := l.refresh(ctx); err != nil {
		l.info.Exclusive = was
		return fmt.Errorf("share the repository lock: %w", err)
	}
	return nil
}

// age is how old others may think the lock is. The wall clock goes on while
// a machine sleeps, but may be set back; the monotonic clock is the other way
// round.
func (l *Lock) age() time.Duration { return l.ageOf(l.held) }

func (l *Lock) ageOf(f file) time.Duration {
	return max(l.options.now().Sub(f.written), time.Since(f.since))
}

// errOverslept says that a refresh took so long that others may have removed
// the lock meanwhile.
var errOverslept = errors.New("the lock grew too old meanwhile")

// refresh writes the lock anew and deletes the old file, which stays valid
// until the new one is there.
func (l *Lock) refresh(ctx context.Context) error {
	ctx, stop := l.whileFresh(ctx)
	defer stop()
	fresh, err := l.write(ctx)
	if err == nil && l.age() >= refreshDeadline {
		// The machine slept. Only revive can tell whether the old lock was
		// still there, and the new one would hide that it was not.
		err = errOverslept
	}
	if err != nil {
		l.abandon(fresh.id)
		return err
	}
	l.abandon(l.held.id)
	l.held = fresh
	if err := l.sweep(ctx); err != nil {
		l.options.warn(fmt.Errorf("delete old lock file, will try again: %w", err))
	}
	return nil
}

// whileFresh returns a context that ends when the lock has grown too old to
// be refreshed. A deadline would not do: timers stand still in a suspend.
func (l *Lock) whileFresh(ctx context.Context) (fresh context.Context, stop func()) {
	fresh, cancel := context.WithCancelCause(ctx)
	held := l.held
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(monitorInterval)
		defer tick.Stop()
		for {
			select {
			case <-fresh.Done():
				return
			case <-tick.C:
			}
			if l.ageOf(held) >= refreshDeadline {
				cancel(errOverslept)
			}
		}
	})
	return fresh, func() {
		cancel(context.Canceled)
		watching.Wait()
	}
}

// revive brings back a lock that has grown stale, as after a suspend. All
// other work of this process is held back until that is certain; when it
// fails, the lock's context ends before anything goes on.
func (l *Lock) revive(ctx context.Context) {
	if l.options.Freeze != nil {
		thaw := l.options.Freeze()
		defer thaw()
	}
	attempt, cancel := context.WithTimeout(ctx, reviveTimeout)
	defer cancel()
	if err := l.reviveFrozen(attempt); err != nil {
		l.cancel(fmt.Errorf("%w (%w)", ErrLost, err))
	}
}

// reviveFrozen writes the lock anew only if nobody has removed it, before or
// meanwhile.
func (l *Lock) reviveFrozen(ctx context.Context) error {
	if err := l.mustExist(ctx, l.held.id); err != nil {
		return err
	}
	fresh, err := l.write(ctx)
	if err == nil {
		err = sleep(ctx, settleTime)
	}
	if err == nil {
		err = l.mustExist(ctx, l.held.id)
	}
	if err != nil {
		l.abandon(fresh.id)
		return err
	}
	l.abandon(l.held.id)
	l.held = fresh
	if err := l.sweep(ctx); err != nil {
		l.options.warn(fmt.Errorf("delete old lock file, will try again: %w", err))
	}
	return nil
}

// remove deletes the lock's files, even when ctx has ended.
func (l *Lock) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	l.abandon(l.held.id)
	if err := l.sweep(ctx); err != nil {
		return fmt.Errorf("unlock repository: %w", err)
	}
	return nil
}

// Others returns how many other locks there were when the lock was taken: those
// that it shares the repository with.
func (l *Lock) Others() int { return l.others }

// Unlock releases the lock: it ends the lock's context and deletes the lock
// file, also when the context had ended before. It is called when all work
// under the lock has ended, and may be called more than once.
func (l *Lock) Unlock() error {
	l.once.Do(func() {
		l.cancel(context.Canceled)
		<-l.done
		if l.settling != nil && l.settling.err != nil {
			l.settling.release() // for another lock of the process
		}
		l.err = l.remove(context.Background())
	})
	return l.err
}
