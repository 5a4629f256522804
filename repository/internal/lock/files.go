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
	// Save stores a file. With an error, the ID may be the one under which
	// the file is stored all the same, because only the answer was lost.
	Save(ctx context.Context, plain []byte) (id.ID, error)
	// Remove deletes a lock; one that is gone is no error.
	Remove(ctx context.Context, i id.ID) error
}

// Each calls visit for every lock. Empty files are skipped: a crash of
// another program can leave them, and they lock nothing. A lock that vanishes
// while it is read was released.
func Each(ctx context.Context, f Files, visit func(i id.ID, info Info, err error) error) error {
	return eachBut(ctx, f, nil, visit)
}

// eachBut is Each without some locks, which are not even read.
func eachBut(ctx context.Context, f Files, but id.Set, visit func(i id.ID, info Info, err error) error) error {
	var ids []id.ID
	err := f.List(ctx, func(i id.ID, sizeBytes int64) error {
		if sizeBytes > 0 && !but.Has(i) {
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
			return context.Cause(ctx)
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

// file is one stored state of a lock.
type file struct {
	id id.ID
	// written is the wall-clock time in the file, since the same instant on
	// the monotonic clock.
	written time.Time
	since   time.Time
}

// write stores the lock with the present time. With an error, the file may
// exist all the same: its ID, unless zero, must be abandoned.
func (l *Lock) write(ctx context.Context) (file, error) {
	info := l.info
	info.Time = l.options.now()
	f := file{written: info.Time, since: time.Now()}
	plain, err := json.Marshal(info)
	if err != nil {
		return file{}, fmt.Errorf("encode lock: %w", err)
	}
	if f.id, err = l.files.Save(ctx, plain); err != nil {
		return f, fmt.Errorf("write lock: %w", err)
	}
	return f, nil
}

// abandon notes a file that must go, and may exist or not.
func (l *Lock) abandon(i id.ID) {
	if !i.IsZero() {
		l.abandoned = append(l.abandoned, i)
	}
}

// sweep deletes the abandoned files. Those that cannot be deleted now are
// tried again the next time.
func (l *Lock) sweep(ctx context.Context) error {
	var errs []error
	var left []id.ID
	for _, i := range l.abandoned {
		if err := l.files.Remove(ctx, i); err != nil {
			errs = append(errs, err)
			left = append(left, i)
		}
	}
	l.abandoned = left
	return errors.Join(errs...)
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
