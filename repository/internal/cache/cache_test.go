package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/repository/id"
)

func openCache(t *testing.T, dir string) (*Cache, *[]error) {
	t.Helper()
	var warned []error
	c, err := Open(dir, func(err error) { warned = append(warned, err) })
	if err != nil {
		t.Fatal(err)
	}
	return c, &warned
}

// server counts how often a pack is fetched.
type server struct {
	content []byte
	err     error
	fetched atomic.Int32
}

func (s *server) get(context.Context) (io.ReadCloser, error) {
	s.fetched.Add(1)
	return io.NopCloser(bytes.NewReader(s.content)), s.err
}

func read(t *testing.T, c *Cache, i id.ID, get Getter) (content []byte, proven bool) {
	t.Helper()
	f, proven, err := c.OpenPack(t.Context(), i, get)
	if err != nil {
		t.Fatal(err)
	}
	if f == nil {
		return nil, false
	}
	defer f.Close()
	content, err = io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content, proven
}

func TestSmallObjects(t *testing.T) {
	c, _ := openCache(t, t.TempDir())
	data := []byte("sealed snapshot")
	i := id.Hash(data)
	if _, ok := c.Load(Snapshots, i); ok {
		t.Error("an empty cache holds something")
	}
	if err := c.Save(Snapshots, i, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Load(Snapshots, i); !ok || !bytes.Equal(got, data) {
		t.Errorf("Load = %q, %v", got, ok)
	}
	for name, damaged := range map[string][]byte{"flipped": []byte("sealed snapshoT"), "truncated": data[:5], "empty": nil} {
		if err := os.WriteFile(c.path(Snapshots, i), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Load(Snapshots, i); ok {
			t.Errorf("%s: a damaged copy is returned", name)
		}
		if _, err := os.Stat(c.path(Snapshots, i)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the damaged copy stays", name)
		}
	}
	if err := c.Save(Snapshots, id.Random(), bytes.NewReader(data)); !errors.Is(err, ErrMismatch) {
		t.Errorf("Save under a wrong name = %v", err)
	}
	if n := len(c.IDs(Snapshots)); n != 0 {
		t.Errorf("%d copies are left", n)
	}
}

func TestPacksAreFetchedOnce(t *testing.T) {
	dir := t.TempDir()
	c, _ := openCache(t, dir)
	s := &server{content: bytes.Repeat([]byte("pack"), 100_000)}
	i := id.Hash(s.content)
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			if got, proven := read(t, c, i, s.get); !proven || !bytes.Equal(got, s.content) {
				t.Errorf("%d bytes, proven: %v", len(got), proven)
			}
		})
	}
	readers.Wait()
	other, _ := openCache(t, dir) // as another process does
	if got, proven := read(t, other, i, s.get); proven || !bytes.Equal(got, s.content) {
		t.Errorf("%d bytes, proven: %v", len(got), proven)
	}
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// Two processes that share a folder do not get in each other's way.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	var processes sync.WaitGroup
	for range 2 {
		c, _ := openCache(t, dir)
		processes.Go(func() {
			for n := range 50 {
				s := &server{content: bytes.Repeat([]byte{byte(n)}, 10_000)}
				i := id.Hash(s.content)
				// The other one may drop it at once; then it is not served.
				if got, _ := read(t, c, i, s.get); got != nil && !bytes.Equal(got, s.content) {
					t.Errorf("%d bytes", len(got))
				}
				if n%7 == 0 {
					c.Drop(Packs, i)
				}
			}
		})
	}
	processes.Wait()
}

func TestPacksNotWorthFetching(t *testing.T) {
	c, _ := openCache(t, t.TempDir())
	s := &server{content: []byte("damaged in the store")}
	i := id.Random()
	for range 3 {
		if got, _ := read(t, c, i, s.get); got != nil {
			t.Error("a damaged pack is cached")
		}
	}
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	errStore := errors.New("store is down")
	s = &server{err: errStore}
	if _, _, err := c.OpenPack(t.Context(), id.Random(), s.get); !errors.Is(err, errStore) {
		t.Errorf("OpenPack = %v", err)
	}
}

func TestWaitingForAFetchEndsWithTheContext(t *testing.T) {
	c, _ := openCache(t, t.TempDir())
	i := id.Random()
	c.flight(i) <- struct{}{} // somebody fetches it, and hangs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.OpenPack(ctx, i, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("OpenPack = %v", err)
	}
}

func TestUnwritableCacheIsGivenUpOnce(t *testing.T) {
	dir := t.TempDir()
	c, warned := openCache(t, dir)
	if err := os.RemoveAll(dir); err != nil { // also what root cannot write to
		t.Fatal(err)
	}
	s := &server{content: []byte("pack")}
	for range 3 {
		if got, _ := read(t, c, id.Hash(s.content), s.get); got != nil {
			t.Error("served from nowhere")
		}
		if err := c.Save(Snapshots, id.Hash(s.content), bytes.NewReader(s.content)); err != nil {
			t.Error(err)
		}
	}
	if len(*warned) != 1 {
		t.Errorf("warned %d times: %v", len(*warned), *warned)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, nil); err == nil {
		t.Error("a file is opened as a cache")
	}
}

func TestRetain(t *testing.T) {
	c, _ := openCache(t, t.TempDir())
	var ids []id.ID
	for n := range 4 {
		data := []byte{byte(n)}
		ids = append(ids, id.Hash(data))
		if err := c.Save(Packs, ids[n], bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	for name, age := range map[string]time.Duration{"tmp-old": 2 * tempAge, "tmp-new": 0} {
		path := filepath.Join(c.dir, string(Packs), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	c.Retain(Packs, id.NewSet(ids[1], id.Random()))
	if left := c.IDs(Packs); len(left) != 1 || !left.Has(ids[1]) {
		t.Errorf("left: %v", left)
	}
	if files, err := os.ReadDir(filepath.Join(c.dir, string(Packs))); err != nil || len(files) != 2 {
		t.Errorf("left: %v, %v", files, err)
	}
}

func TestDue(t *testing.T) {
	c, _ := openCache(t, t.TempDir())
	if !c.Due("sweep", time.Hour) || c.Due("sweep", time.Hour) {
		t.Error("due twice, or never")
	}
	then := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(c.dir, "last-sweep"), then, then); err != nil {
		t.Fatal(err)
	}
	if !c.Due("sweep", time.Hour) {
		t.Error("not due after two hours")
	}
}

func TestClean(t *testing.T) {
	root := t.TempDir()
	old, fresh, half := id.Random().String(), id.Random().String(), id.Random().String()+removedSuffix
	for name, age := range map[string]time.Duration{old: 40 * 24 * time.Hour, fresh: time.Hour, half: time.Hour, "foreign": 99 * 24 * time.Hour} {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Join(dir, "objects"), 0o700); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := Clean(root, 30*24*time.Hour); err != nil || n != 2 {
		t.Errorf("Clean = %d, %v", n, err)
	}
	for name, there := range map[string]bool{old: false, fresh: true, half: false, "foreign": true} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != there {
			t.Errorf("%.12s: %v", name, err)
		}
	}
	if n, err := Clean(filepath.Join(root, "nowhere"), 0); err != nil || n != 0 {
		t.Errorf("Clean of nothing = %d, %v", n, err)
	}
}
