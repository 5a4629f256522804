package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/repository/id"
	"holdfast/storage"
)

// Files is where locks are kept: sealed files of a repository.
type Files interface {
	List(ctx context.Context, visit func(i id.ID, sizeBytes int64) error) error
	Load(ctx context.Context, i id.ID) ([]byte, error)
	Save(ctx context.Context, plain []byte) (id.ID, error)
	// Remove deletes a lock; one that is gone is no error.
	Remove(ctx context.Context, i id.ID) error
}

// Options tell how a lock is taken.
type Options struct {
	Exclusive bool
	// Retry is how long to wait for a conflicting lock to go.
	Retry time.Duration
	// Waiting, if set, is called once when waiting begins.
	Waiting func(by *ConflictError)
	// Warn, if set, is told of refreshes that failed and will be retried.
	Warn func(err error)
	// Freeze, if set, holds back all other storage operations of the process
	// until the returned function is called. It is used while a lock that
	// grew stale (a suspended machine) is brought back.
	Freeze func() (thaw func())
}

// The waits between attempts while a conflicting lock is there.
const (
	retryWaitStart = 5 * time.Second
	retryWaitMax   = time.Minute
)

// Acquire takes a lock. The returned context ends with the lock: when it is
// released, or, with the cause ErrLost, when it could not be kept.
func Acquire(ctx context.Context, f Files, o Options) (*Lock, context.Context, error) {
	deadline := time.Now().Add(o.Retry)
	wait := retryWaitStart
	for told := false; ; {
		l, err := tryAcquire(ctx, f, o)
		if err == nil {
			return l, l.keep(ctx), nil
		}
		var conflict *ConflictError
		left := time.Until(deadline)
		if !errors.As(err, &conflict) || left <= 0 {
			return nil, ctx, err
		}
		if !told && o.Waiting != nil {
			o.Waiting(conflict)
		}
		told = true
		if err := sleep(ctx, min(wait, left)); err != nil {
			return nil, ctx, err
		}
		wait = min(2*wait, retryWaitMax)
	}
}

// tryAcquire makes one attempt: look, write, wait, look again, and back out
// when another program was faster.
func tryAcquire(ctx context.Context, f Files, o Options) (*Lock, error) {
	if err := checkOthers(ctx, f, o.Exclusive, id.ID{}); err != nil {
		return nil, err
	}
	l := &Lock{files: f, options: o, info: newInfo(o.Exclusive, time.Now())}
	if err := l.write(ctx); err != nil {
		return nil, err
	}
	err := sleep(ctx, settleTime)
	if err == nil {
		err = checkOthers(ctx, f, o.Exclusive, l.id)
	}
	if err != nil {
		return nil, errors.Join(err, l.remove(ctx))
	}
	return l, nil
}

// write stores the lock's present state under a new ID.
func (l *Lock) write(ctx context.Context) error {
	plain, err := json.Marshal(l.info)
	if err != nil {
		return fmt.Errorf("encode lock: %w", err)
	}
	l.id, err = l.files.Save(ctx, plain)
	if err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

// unreadableWaits are the times to wait before a lock that could not be read
// is tried again: it may be half written on a weak store.
var unreadableWaits = [...]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}

// checkOthers returns a *ConflictError when a lock other than own conflicts,
// an *UnreadableError when one cannot be judged.
func checkOthers(ctx context.Context, f Files, exclusive bool, own id.ID) error {
	judged := id.NewSet(own)
	for attempt := 0; ; attempt++ {
		err := Each(ctx, f, func(i id.ID, info Info, err error) error {
			switch {
			case judged.Has(i):
			case err != nil:
				return &UnreadableError{ID: i, Err: err}
			case info.conflicts(exclusive):
				return &ConflictError{ID: i, Other: info, Stale: info.IsStale(time.Now())}
			}
			judged.Add(i)
			return nil
		})
		var unreadable *UnreadableError
		if !errors.As(err, &unreadable) || attempt == len(unreadableWaits) {
			return err
		}
		if err := sleep(ctx, unreadableWaits[attempt]); err != nil {
			return err
		}
	}
}

// Each calls visit for every lock. Empty files are skipped: a crash of
// another program can leave them, and they lock nothing. A lock that vanishes
// while it is read was released.
func Each(ctx context.Context, f Files, visit func(i id.ID, info Info, err error) error) error {
	var ids []id.ID
	err := f.List(ctx, func(i id.ID, sizeBytes int64) error {
		if sizeBytes > 0 {
			ids = append(ids, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range ids {
		var info Info
		plain, err := f.Load(ctx, i)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			info, err = Decode(plain)
		}
		if err := visit(i, info, err); err != nil {
			return err
		}
	}
	return nil
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
