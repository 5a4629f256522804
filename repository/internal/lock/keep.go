package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/repository/id"
)

// removeTimeout bounds the removal of a lock after its context has ended.
const removeTimeout = 30 * time.Second

// Lock is a lock that is held. Unlock releases it.
type Lock struct {
	files   Files
	options Options

	id   id.ID
	info Info

	cancel context.CancelCauseFunc
	done   chan struct{}
	once   sync.Once
	err    error
}

// keep starts the goroutine that owns the lock from now on: it refreshes the
// lock until the returned context ends, then removes it.
func (l *Lock) keep(ctx context.Context) context.Context {
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.done = make(chan struct{})
	go func() {
		defer close(l.done)
		l.cancel(l.refreshUntilDone(ctx))
		l.err = l.remove(ctx)
	}()
	return ctx
}

// refreshUntilDone returns why the lock is not held any more.
func (l *Lock) refreshUntilDone(ctx context.Context) error {
	tick := time.NewTicker(monitorInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		age := l.age()
		if age < refreshInterval {
			continue
		}
		var err error
		if age < refreshDeadline {
			err = l.refresh(ctx)
		} else {
			err = l.revive(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		if l.age() >= refreshDeadline {
			return fmt.Errorf("%w (%w)", ErrLost, err)
		}
		if l.options.Warn != nil {
			l.options.Warn(fmt.Errorf("refresh repository lock, will try again: %w", err))
		}
	}
}

// age is measured on the wall clock, which goes on while a machine sleeps.
func (l *Lock) age() time.Duration { return time.Now().Round(0).Sub(l.info.Time) }

// refresh writes the lock anew and deletes the old file. The old file stays
// valid until the new one is there.
func (l *Lock) refresh(ctx context.Context) error {
	before, oldInfo := l.id, l.info
	l.info.Time = time.Now().Round(0)
	if err := l.write(ctx); err != nil {
		l.id, l.info = before, oldInfo
		return err
	}
	return l.files.Remove(ctx, before)
}

// revive brings back a lock that has grown stale, as after a suspend. All
// other work of this process is held back until that is certain; when it
// fails, the lock's context ends before anything goes on.
func (l *Lock) revive(ctx context.Context) error {
	if l.options.Freeze != nil {
		thaw := l.options.Freeze()
		defer thaw()
	}
	err := l.reviveFrozen(ctx)
	if err != nil {
		l.cancel(fmt.Errorf("%w (%w)", ErrLost, err))
	}
	return err
}

// reviveFrozen writes the lock anew only if nobody has removed it, before or
// meanwhile.
func (l *Lock) reviveFrozen(ctx context.Context) error {
	if err := l.mustExist(ctx, l.id); err != nil {
		return err
	}
	before, oldInfo := l.id, l.info
	l.info.Time = time.Now().Round(0)
	if err := l.write(ctx); err != nil {
		l.id, l.info = before, oldInfo
		return err
	}
	err := sleep(ctx, settleTime)
	if err == nil {
		err = l.mustExist(ctx, before)
	}
	if err != nil {
		err = errors.Join(err, l.files.Remove(ctx, l.id))
		l.id, l.info = before, oldInfo
		return err
	}
	return l.files.Remove(ctx, before)
}

// mustExist returns an error unless the lock file is listed.
func (l *Lock) mustExist(ctx context.Context, want id.ID) error {
	found := false
	err := l.files.List(ctx, func(i id.ID, _ int64) error {
		found = found || i == want
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("lock %s was removed by another program", want.Short())
	}
	return err
}

// remove deletes the lock file, even when ctx has ended.
func (l *Lock) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if err := l.files.Remove(ctx, l.id); err != nil {
		return fmt.Errorf("unlock repository: %w", err)
	}
	return nil
}

// Unlock releases the lock, ends its context and waits until the lock file
// is gone. It may be called more than once.
func (l *Lock) Unlock() error {
	l.once.Do(func() {
		l.cancel(context.Canceled)
		<-l.done
	})
	return l.err
}
