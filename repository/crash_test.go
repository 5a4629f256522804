package repository

import (
	"context"
	"errors"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// smallBackup writes two packs, an index file and a snapshot.
func smallBackup(ctx context.Context, s storage.Store, cacheDir string) (err error) {
	r, err := Open(ctx, s, Options{Password: testPassword, CacheDir: cacheDir})
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // a cache's
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	if _, err := r.RecoverUploads(ctx); err != nil {
		return err
	}
	w, err := r.NewWriter(ctx, WriterOptions{})
	if err != nil {
		return err
	}
	smallPacks(w)
	defer func() { err = errors.Join(err, w.Close()) }()
	for n := range 4 {
		if _, err := w.Save(ctx, blob.Data, random(uint64(n), 12<<10)); err != nil {
			return err
		}
	}
	root, err := w.Save(ctx, blob.Tree, []byte("{\"nodes\":[]}\n"))
	if err != nil {
		return err
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	return r.SaveSnapshot(ctx, &snapshot.Snapshot{Tree: root.ID, Paths: []string{"/x"}})
}

// A backup dies at every operation. Snapshots there are can be read, and the
// next backup works, with the cache the dead one left behind.
func TestBackupDiesAnywhere(t *testing.T) {
	base := mem.New()
	r := initRepository(t, base, Options{})
	root := store(t, r, blob.Tree, []byte(`{"nodes":[]}`))[0] // an earlier backup
	if err := r.SaveSnapshot(t.Context(), &snapshot.Snapshot{Tree: root, Paths: []string{"/x"}}); err != nil {
		t.Fatal(err)
	}
	var cache string
	fault.Replay{
		Fresh: func() storage.Store { cache = t.TempDir(); return base.Clone() },
		Job:   func(ctx context.Context, s storage.Store) error { return smallBackup(ctx, s, cache) },
		Modes: []fault.Crash{fault.CrashBefore, fault.CrashAfter},
		Check: func(t *testing.T, left storage.Store) {
			wantSnapshots(t, left)
			if err := smallBackup(t.Context(), left, cache); err != nil {
				t.Errorf("the next backup: %v", err)
			}
			wantSnapshots(t, left)
			wantSound(t, left)
		},
	}.Run(t)
}

func wantSnapshots(t *testing.T, s storage.Store) {
	t.Helper()
	r := openRepository(t, s, Options{})
	found, err := r.Snapshots(t.Context())
	if err != nil || len(found) == 0 {
		t.Fatalf("%d snapshots, %v", len(found), err)
	}
	for _, f := range found {
		if _, err := r.LoadTree(t.Context(), f.Tree, nil); err != nil {
			t.Error(err)
		}
	}
}
