package repair

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/snapfs"
	"holdfast/internal/source/files"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
)

// backUp makes a snapshot of a folder that holds the given files.
func backUp(t *testing.T, r *repository.Repository, content map[string]string) *snapshot.Snapshot {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	src, err := files.New(files.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := backup.Run(t.Context(), r, src, backup.Options{
		Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{dir}}, Type: snapshot.Full,
	})
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Snapshot
}

// Only the roots of what was lost are found; where a tree is damaged that leads
// to others, those are found in its place.
func TestRecoverFindsRoots(t *testing.T) {
	store := mem.New()
	r, err := repository.Init(t.Context(), store, repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := backUp(t, r, map[string]string{"a/file": "kept"})
	first := backUp(t, r, map[string]string{"b/c/file": "one", "b/file": "two"})
	second := backUp(t, r, map[string]string{"d/e/file": "three"})
	find := func(o RecoverOptions, known ...*snapshot.Snapshot) *RecoverReport {
		t.Helper()
		o.Snapshots, o.Record = known, snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/recover"}}
		found, err := Recover(t.Context(), r, o)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := find(RecoverOptions{}, kept, first, second); len(found.Roots) > 0 || found.Snapshot != nil || found.Trees == 0 {
		t.Errorf("nothing was lost: %+v", found)
	}
	want := []id.ID{first.Tree, second.Tree}
	slices.SortFunc(want, id.ID.Compare)
	if found := find(RecoverOptions{DryRun: true}, kept); !slices.Equal(found.Roots, want) || found.Snapshot != nil {
		t.Errorf("a dry run found %+v, want %v", found, want)
	}
	damageTree(t, r, store, second.Tree)
	told := 0
	found := find(RecoverOptions{Damaged: func(error) { told++ }}, kept)
	if found.Damaged != 1 || told != 1 || len(found.Roots) != 2 || !slices.Contains(found.Roots, first.Tree) || slices.Contains(found.Roots, second.Tree) {
		t.Fatalf("with a damaged tree: %+v, told of %d", found, told)
	}
	if found.Snapshot == nil || found.Snapshot.Hostname != "host" {
		t.Fatalf("no snapshot: %+v", found)
	}
	fs, err := snapfs.Open(t.Context(), r, found.Snapshot.Tree)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Lookup(t.Context(), "/"+first.Tree.String()+first.Paths[0]+"/b/c/file"); err != nil {
		t.Errorf("what was lost cannot be reached: %v", err)
	}
	if found := find(RecoverOptions{}, kept, found.Snapshot); len(found.Roots) > 0 {
		t.Errorf("what was recovered is found again: %+v", found)
	}
}

// damageTree flips a bit of a stored tree.
func damageTree(t *testing.T, r *repository.Repository, store *mem.Store, tree id.ID) {
	t.Helper()
	l, ok := r.Index().Lookup(blob.Handle{ID: tree, Type: blob.Tree})
	if !ok {
		t.Fatal("the tree is not stored")
	}
	key := repository.PackFile.Key(l.Pack)
	body, err := store.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	pack, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	pack[l.Offset+20] ^= 4
	store.Overwrite(key, pack)
}
