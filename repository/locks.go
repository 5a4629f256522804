package repository

import (
	"context"
	"time"

	"holdfast/repository/id"
	"holdfast/repository/internal/lock"
)

// LockMode says whether others may use the repository at the same time.
type LockMode bool

// The modes of a lock. Exclusive is needed by whatever deletes.
const (
	Shared    LockMode = false
	Exclusive LockMode = true
)

// LockOptions tell how a lock is taken.
type LockOptions struct {
	// Retry is how long to wait while another program holds the repository.
	Retry time.Duration
	// Waiting, if set, is called once when waiting begins.
	Waiting func(by *LockedError)
	// Warn, if set, is told of refreshes that failed and will be retried.
	Warn func(error)
	// Meanwhile, if set, reads what the work under the lock begins with, such as
	// the list of snapshots: a shared lock takes a while until it is certain. It
	// may run twice, and what it has read counts only if Lock returns no error.
	// It must change nothing. Its own error, if it fails under the lock, is that
	// of Lock, and there is no lock then.
	Meanwhile func(ctx context.Context) error
	// Early hands a shared lock out before it is certain, where that can be had
	// and Retry is 0, so that the work can begin to read. What it changes in the
	// repository waits, and what it found out counts once Lock.Certain says so.
	// When there is no lock after all the context of the work ends, with a cause
	// that is both ErrLockLost and, if somebody else was faster, a *LockedError.
	Early bool
}

// Lock is a lock that is held; Unlock releases it.
type Lock = lock.Lock

// LockInfo tells who holds a lock.
type LockInfo = lock.Info

// Lock takes a lock on the repository and keeps it fresh. All work under it
// must use the returned context, which ends with the cause ErrLockLost when
// the lock cannot be kept. A conflict is a *LockedError.
func (r *Repository) Lock(ctx context.Context, mode LockMode, o LockOptions) (*Lock, context.Context, error) {
	if err := r.writable(); err != nil {
		return nil, ctx, err
	}
	l, locked, err := lock.Acquire(ctx, r.lockFiles(), lock.Options{
		Exclusive: mode == Exclusive,
		Retry:     o.Retry,
		Waiting:   o.Waiting,
		Warn:      o.Warn,
		Meanwhile: o.Meanwhile,
		Early:     o.Early,
		Hold:      r.store.hold,
		Freeze:    r.store.freeze,
	})
	if err == nil && !o.Early {
		r.others.Store(int64(l.Others()))
	}
	return l, locked, err
}

// Others returns how many others had a lock on the repository when this process
// took its last one. Those that came later are not among them.
func (r *Repository) Others() int { return int(r.others.Load()) }

// Locks calls visit for every lock; err tells that one cannot be read.
func (r *Repository) Locks(ctx context.Context, visit func(i id.ID, info LockInfo, err error) error) error {
	return lock.Each(ctx, r.lockFiles(), visit)
}

// RemoveStaleLocks deletes the locks whose holders are certainly gone, or
// all of them, and returns how many it deleted.
func (r *Repository) RemoveStaleLocks(ctx context.Context, all bool) (int, error) {
	if err := r.writable(); err != nil {
		return 0, err
	}
	now := time.Now()
	removed := 0
	err := r.ListFiles(ctx, LockFile, func(i id.ID, sizeBytes int64) error {
		if !all {
			info, err := r.loadLock(ctx, i, sizeBytes)
			if err != nil || !info.IsStale(now) {
				return nil //nolint:nilerr // a lock that cannot be judged stays
			}
		}
		if err := r.removeFile(ctx, LockFile, i); err != nil {
			return err
		}
		removed++
		return nil
	})
	return removed, err
}

// loadLock reads one lock. An empty file, left by a crash, counts as a lock
// taken at no time: it is stale.
func (r *Repository) loadLock(ctx context.Context, i id.ID, sizeBytes int64) (LockInfo, error) {
	if sizeBytes == 0 {
		return LockInfo{}, nil
	}
	plain, err := r.lockFiles().Load(ctx, i)
	if err != nil {
		return LockInfo{}, err
	}
	return lock.Decode(plain)
}

// lockFiles reads and writes lock files around the gate, which may be frozen
// on a lock's behalf.
func (r *Repository) lockFiles() lockFiles { return lockFiles{r.filesIn(r.store.Store)} }

type lockFiles struct{ files sealedFiles }

var _ lock.Files = lockFiles{}

func (f lockFiles) List(ctx context.Context, visit func(id.ID, int64) error) error {
	return listFiles(ctx, f.files.store, LockFile, visit)
}

func (f lockFiles) Load(ctx context.Context, i id.ID) ([]byte, error) {
	return f.files.load(ctx, LockFile, i)
}

func (f lockFiles) Save(ctx context.Context, plain []byte) (id.ID, error) {
	return f.files.save(ctx, LockFile, plain)
}

func (f lockFiles) Remove(ctx context.Context, i id.ID) error {
	return removeFile(ctx, f.files.store, LockFile, i)
}
