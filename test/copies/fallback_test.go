package copies

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/restore"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/breaker"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

var errLine = errors.New("no route to host")

// A store that goes down in the middle of a restore, at any read of a pack, is
// noticed once, and the copy gives the rest.
func TestStoreGoesDownWhileRestoring(t *testing.T) {
	store, other := mem.New(), mem.New()
	made := backUp(t, store)
	c := openRepository(t, other, true, nil)
	from := openRepository(t, store, false, nil)
	to := &upkeep.Destination{Repository: c, Snapshots: []*snapshot.Snapshot{made}}
	if err := errors.Join(upkeep.Copy(t.Context(), from, []*upkeep.Destination{to}, upkeep.CopyOptions{}), to.Err); err != nil {
		t.Fatal(err)
	}
	down := true
	for n := 0; down; n++ {
		failing := fault.New(store, 0, fault.Rule{Op: fault.OpGet, Prefix: "data/", Skip: n, Fault: fault.Before(errLine)})
		var asked atomic.Int64
		r := openRepository(t, breaker.New(failing, time.Hour, 0), false, func(ctx context.Context, h blob.Handle, cause error) ([]byte, error) {
			asked.Add(1)
			return c.LoadBlob(ctx, h, nil)
		})
		target := t.TempDir()
		receipt, err := restore.Run(t.Context(), r, made, restore.Options{
			Target: target, Progress: new(restore.Progress), Verify: true,
			OnError: func(path string, err error) { t.Errorf("down at read %d: %s: %v", n, path, err) },
		})
		if err != nil || receipt.Errors > 0 {
			t.Fatalf("down at read %d: %v", n, err)
		}
		for name, want := range content {
			if got, err := os.ReadFile(filepath.Join(target, name)); err != nil || string(got) != want {
				t.Errorf("down at read %d: %s is not what it was: %v", n, name, err)
			}
		}
		down = asked.Load() > 0
	}
}

var content = map[string]string{"a": "the one", "b": "the other", "c": "and a third"}

func openRepository(t *testing.T, s storage.Store, init bool, elsewhere func(context.Context, blob.Handle, error) ([]byte, error)) *repository.Repository {
	t.Helper()
	o := repository.Options{Password: []byte(password), Elsewhere: elsewhere}
	var r *repository.Repository
	var err error
	if init {
		in := repository.InitOptions{Password: o.Password, KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
		r, err = repository.Init(t.Context(), s, in, o)
	} else {
		r, err = repository.Open(t.Context(), s, o)
	}
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// backUp makes a repository with a snapshot of content, each file in a pack of
// its own.
func backUp(t *testing.T, s storage.Store) *snapshot.Snapshot {
	t.Helper()
	r := openRepository(t, s, true, nil)
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := tree.NewBuilder()
	for _, name := range []string{"a", "b", "c"} {
		saved, err := w.Save(t.Context(), blob.Data, []byte(content[name]))
		if err == nil {
			err = w.Flush(t.Context())
		}
		if err == nil {
			err = b.Add(&tree.Node{Name: name, Type: tree.File, Mode: 0o600, Size: uint64(len(content[name])), Content: []id.ID{saved.ID}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := w.Save(t.Context(), blob.Tree, b.Bytes())
	if err := errors.Join(err, w.Flush(t.Context()), w.Close()); err != nil {
		t.Fatal(err)
	}
	made := &snapshot.Snapshot{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Paths: []string{"/"}, Tree: root.ID}
	if err := r.SaveSnapshot(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	return made
}
