package repository

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
)

// changes are all ways to change a repository that held a snapshot.
func changes(t *testing.T, r *Repository, old id.ID) map[string]func(context.Context) error {
	t.Helper()
	return map[string]func(context.Context) error{
		"a snapshot": func(ctx context.Context) error {
			return r.SaveSnapshot(ctx, &snapshot.Snapshot{Time: time.Now(), Tree: id.ID{9}})
		},
		"a pack": func(ctx context.Context) error {
			w, err := r.NewWriter(ctx, WriterOptions{})
			if err != nil {
				return err
			}
			_, err = w.Save(ctx, blob.Data, []byte("new"))
			return errors.Join(err, w.Flush(ctx), w.Close())
		},
		"a record": func(ctx context.Context) error {
			_, err := r.SaveRecord(ctx, "holdfast/test/", []byte("x"))
			return err
		},
		"a deletion":   func(ctx context.Context) error { return r.RemoveFile(ctx, SnapshotFile, old) },
		"two at once":  func(ctx context.Context) error { return r.RemoveFiles(ctx, SnapshotFile, []id.ID{old, {1}}, nil) },
		"a merge":      func(ctx context.Context) error { _, err := r.SaveIndex(ctx, []PackContent{{ID: id.ID{2}}}); return err },
		"a lost merge": func(ctx context.Context) error { return r.RemoveFile(ctx, IndexFile, id.ID{3}) },
	}
}

func withSnapshot(t *testing.T) (*mem.Store, *Repository, id.ID) {
	t.Helper()
	s := mem.New()
	r := loaded(t, initRepository(t, s, Options{}))
	sn := &snapshot.Snapshot{Time: time.Now(), Tree: id.ID{9}}
	if err := r.SaveSnapshot(t.Context(), sn); err != nil {
		t.Fatal(err)
	}
	return s, r, sn.ID
}

func TestWorkUnderAnEarlyLockReadsAtOnceAndChangesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r, old := withSnapshot(t)
		for name, change := range changes(t, r, old) {
			start := time.Now()
			l, ctx, err := r.Lock(t.Context(), Shared, LockOptions{Early: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Snapshots(ctx); err != nil || time.Since(start) != 0 {
				t.Errorf("reading: %v after %v, want at once", err, time.Since(start))
			}
			if err := change(ctx); err != nil || time.Since(start) == 0 {
				t.Errorf("%s: %v after %v, want when the lock was certain", name, err, time.Since(start))
			}
			if err := l.Certain(ctx); err != nil {
				t.Error(err)
			}
			unlock(t, l)
		}
	})
}

func TestWhoIsTooLateForALockChangesNothing(t *testing.T) {
	for n := range changes(t, nil, id.ID{}) {
		t.Run(n, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r, old := withSnapshot(t)
				l, ctx, err := r.Lock(t.Context(), Shared, LockOptions{Early: true})
				if err != nil {
					t.Fatal(err)
				}
				plain, err := json.Marshal(LockInfo{Time: time.Now(), Exclusive: true, Hostname: "elsewhere", PID: 1})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.lockFiles().Save(t.Context(), plain); err != nil {
					t.Fatal(err)
				}
				before := allFiles(t, s)
				err = changes(t, r, old)[n](ctx)
				var conflict *LockedError
				if !errors.As(context.Cause(ctx), &conflict) || !errors.Is(context.Cause(ctx), ErrLockLost) || err == nil {
					t.Errorf("%v; the lock: %v", err, context.Cause(ctx))
				}
				if after := allFiles(t, s); after != before {
					t.Errorf("%d files became %d", before, after)
				}
				unlock(t, l)
				if after := allFiles(t, s); after != before-1 {
					t.Errorf("%d files are left of %d, of which one was the lock", after, before)
				}
			})
		})
	}
}

func allFiles(t *testing.T, s *mem.Store) (n int) {
	t.Helper()
	for _, k := range []FileKind{LockFile, SnapshotFile, IndexFile, PackFile, RecordFile} {
		n += len(filesOf(t, s, k))
	}
	return n
}
