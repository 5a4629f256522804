package repository

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// remote is a repository with a snapshot and 20 trees in one pack, and a
// folder for its cache.
type remote struct {
	store *mem.Store
	calls *fault.Store
	cache string
	trees [][]byte
	pack  id.ID
	root  string // the repository's folder in the cache
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	m := &remote{store: mem.New(), cache: t.TempDir(), trees: texts(20)}
	r := initRepository(t, m.store, Options{})
	ids := store(t, r, blob.Tree, m.trees...)
	if err := r.SaveSnapshot(t.Context(), &snapshot.Snapshot{Tree: ids[0], Paths: []string{"/x"}}); err != nil {
		t.Fatal(err)
	}
	m.pack = onlyPack(t, m.store)
	m.calls = fault.New(m.store, 1)
	m.root = filepath.Join(m.cache, r.ID())
	return m
}

func (m *remote) open(t *testing.T) *Repository {
	t.Helper()
	return openRepository(t, m.calls, Options{CacheDir: m.cache, CacheObjects: true})
}

// gets counts how often objects below a prefix were read.
func (m *remote) gets(prefix string) int {
	n := 0
	for _, c := range m.calls.Calls() {
		if c.Op == fault.OpGet && strings.HasPrefix(c.Key, prefix) {
			n++
		}
	}
	return n
}

// readAll reads the snapshots and trees and returns how often the store was
// asked for them.
func (m *remote) readAll(t *testing.T, r *Repository) (snapshots, packs int) {
	t.Helper()
	s, p := m.gets("snapshots/"), m.gets("data/")
	found, err := r.Snapshots(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("%d snapshots, %v", len(found), err)
	}
	var readers sync.WaitGroup
	for _, content := range m.trees {
		readers.Go(func() { wantBlob(t, r, tree(id.Hash(content)), content) })
	}
	readers.Wait()
	return m.gets("snapshots/") - s, m.gets("data/") - p
}

func (m *remote) copyOf(folder string, i id.ID) string {
	return filepath.Join(m.root, objectsFolder, folder, i.String())
}

func TestObjectsAreFetchedOnce(t *testing.T) {
	m := newRemote(t)
	if s, p := m.readAll(t, m.open(t)); s != 1 || p != 1 {
		t.Errorf("%d and %d requests, want 1 and 1", s, p)
	}
	if s, p := m.readAll(t, m.open(t)); s != 0 || p != 0 {
		t.Errorf("%d and %d requests by the next process, want none", s, p)
	}
	if _, err := os.Stat(filepath.Join(m.cache, "CACHEDIR.TAG")); err != nil {
		t.Error(err)
	}
	r := openRepository(t, m.calls, Options{CacheDir: m.cache})
	if s, p := m.readAll(t, r); s != 1 || p != len(m.trees) {
		t.Errorf("%d and %d requests without the option", s, p)
	}
}

func TestDamagedCopiesAreFetchedAgain(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{"flipped": flipBit(40), "truncated": cutTo(50), "empty": cutTo(0)} {
		m := newRemote(t)
		m.readAll(t, m.open(t))
		err := filepath.WalkDir(filepath.Join(m.root, objectsFolder), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !id.Valid(d.Name()) {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, change(b), 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
		if s, p := m.readAll(t, m.open(t)); s != 1 || p < 1 || p > maxReaders {
			t.Errorf("%s: %d and %d requests", name, s, p)
		}
		if s, p := m.readAll(t, m.open(t)); s != 0 || p != 0 {
			t.Errorf("%s: %d and %d requests after that", name, s, p)
		}
	}
}

// A pack that is damaged in the store is not cached; its sound blobs are read.
func TestPackDamagedInTheStore(t *testing.T) {
	m := newRemote(t)
	r := m.open(t)
	blobs := blobsOf(t, r, m.pack)
	damage(t, m.store, PackFile.Key(m.pack), flipBit(int(blobs[3].Offset)+20))
	for n, b := range blobs {
		_, err := r.LoadTree(t.Context(), b.ID, nil)
		if n == 3 {
			wantDamaged(t, err, m.pack, b.Handle)
		} else if err != nil {
			t.Error(err)
		}
	}
	if got := m.gets("data/"); got != 1+len(blobs) {
		t.Errorf("%d requests: one try to cache the pack, one for each blob", got)
	}
}

// Copies never hide damage from those who look for it.
func TestVerifyFileReadsTheStore(t *testing.T) {
	m := newRemote(t)
	r := m.open(t)
	m.readAll(t, r)
	for i := range filesOf(t, m.store, SnapshotFile) {
		damage(t, m.store, SnapshotFile.Key(i), flipBit(3))
		if err := r.VerifyFile(t.Context(), SnapshotFile, i); !IsCorrupt(err) {
			t.Errorf("VerifyFile = %v", err)
		}
	}
	damage(t, m.store, PackFile.Key(m.pack), flipBit(20))
	if got := stream(t, r, m.pack, blobsOf(t, r, m.pack)); len(got.bad) != 1 {
		t.Errorf("%d damaged blobs are found", len(got.bad))
	}
}

func TestCopiesOfRemovedObjectsGo(t *testing.T) {
	m := newRemote(t)
	r := m.open(t)
	m.readAll(t, r)
	for i := range filesOf(t, m.store, SnapshotFile) {
		if err := r.RemoveFile(t.Context(), SnapshotFile, i); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Snapshots(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(m.copyOf("snapshots", i)); !os.IsNotExist(err) {
			t.Errorf("the copy of the snapshot: %v", err)
		}
	}
	if err := r.PlanReindex(func(id.ID) bool { return true }, nil).Execute(t.Context()); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-2 * sweepEvery)
	if err := os.Chtimes(filepath.Join(m.root, objectsFolder, "last-sweep"), then, then); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	if _, err := os.Stat(m.copyOf("packs", m.pack)); !os.IsNotExist(err) {
		t.Errorf("the copy of the pack: %v", err)
	}
}

// What a backup writes the next one reads from the cache.
func TestUploadedTreesAreCached(t *testing.T) {
	m := newRemote(t)
	r := m.open(t)
	trees := texts(50)[20:]
	store(t, r, blob.Tree, trees...)
	store(t, r, blob.Data, []byte("data is not"))
	before := m.gets("data/")
	for _, content := range trees {
		wantBlob(t, r, tree(id.Hash(content)), content)
	}
	if n := m.gets("data/") - before; n != 0 {
		t.Errorf("%d requests", n)
	}
	files, err := os.ReadDir(filepath.Join(m.root, objectsFolder, "packs"))
	if err != nil || len(files) != 1 {
		t.Errorf("%d copies, %v", len(files), err)
	}
}

func TestWrittenSnapshotsAreCached(t *testing.T) {
	m := newRemote(t)
	r := loaded(t, m.open(t))
	s := &snapshot.Snapshot{Tree: id.Hash(m.trees[0]), Paths: []string{"/y"}}
	if err := r.SaveSnapshot(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	before := m.gets("snapshots/")
	if _, err := m.open(t).LoadSnapshot(t.Context(), s.ID); err != nil {
		t.Error(err)
	}
	if n := m.gets("snapshots/") - before; n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestCleanCache(t *testing.T) {
	m := newRemote(t)
	m.readAll(t, m.open(t))
	if n, err := CleanCache(m.cache, time.Hour); err != nil || n != 0 {
		t.Errorf("CleanCache = %d, %v", n, err)
	}
	then := time.Now().Add(-31 * 24 * time.Hour)
	if err := os.Chtimes(m.root, then, then); err != nil {
		t.Fatal(err)
	}
	if n, err := CleanCache(m.cache, 30*24*time.Hour); err != nil || n != 1 {
		t.Errorf("CleanCache = %d, %v", n, err)
	}
	m.readAll(t, m.open(t))
}
