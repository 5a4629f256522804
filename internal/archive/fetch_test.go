package archive

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// asked is a store that counts what is read of packs.
type asked struct {
	storage.Store
	reads atomic.Int64
	trip  time.Duration // what each read takes
	fail  atomic.Bool
}

func (a *asked) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if strings.HasPrefix(key, "data/") {
		a.reads.Add(1)
		time.Sleep(a.trip)
		if a.fail.Load() {
			return nil, fmt.Errorf("get %s: the store is down", key)
		}
	}
	return a.Store.Get(ctx, key, offset, length)
}

// manyFiles are small files, of which two by two are the same.
func manyFiles(n int) map[string]entry {
	root := map[string]entry{}
	for i := range n {
		root[fmt.Sprintf("%04d", i)] = entry{content: noise(uint64(1000+i/2), 2000)}
	}
	return root
}

// reopened is the repository by way of a store that counts, and that has each
// blob elsewhere too, if that is wanted.
func (m *made) reopened(elsewhere bool) (*made, *asked) {
	m.t.Helper()
	store := &asked{Store: m.store}
	o := repository.Options{Password: []byte("pw")}
	if elsewhere {
		o.Elsewhere = func(ctx context.Context, h blob.Handle, _ error) ([]byte, error) { return m.repo.LoadBlob(ctx, h, nil) }
	}
	r, err := repository.Open(m.t.Context(), store, o)
	if err == nil {
		err = r.LoadIndex(m.t.Context())
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { r.Close() })
	return &made{m.t, m.store, r}, store
}

// exportsTheSame exports a snapshot, and compares what comes of it.
func (m *made) exportsTheSame(t *testing.T, s *snapshot.Snapshot, want *Manifest, k key) {
	t.Helper()
	if got := m.export(s, mem.New(), options("again", k, nil)); got.Inner != want.Inner {
		t.Errorf("the archive is another: %v, want %v", got.Inner, want.Inner)
	}
}

// A request for each small file would cost money, and over a long line hours.
func TestSmallFilesAreReadTogether(t *testing.T) {
	m, k := makeRepository(t), makeKey(t)
	s := m.snapshot(noon, manyFiles(6000))
	want := m.export(s, mem.New(), options("first", k, nil))
	far, store := m.reopened(false)
	store.trip = 20 * time.Millisecond
	far.exportsTheSame(t, s, want, k)
	// Four, where the walk is not slower than that.
	if n := store.reads.Load(); n > 600 {
		t.Errorf("packs were read %d times for 6000 files", n)
	}
}

// What cannot be read where it lies comes from a copy, also in the middle of
// a pack.
func TestSmallFilesFromElsewhere(t *testing.T) {
	m, k := makeRepository(t), makeKey(t)
	s := m.snapshot(noon, manyFiles(300))
	want := m.export(s, mem.New(), options("first", k, nil))
	// The copy is whole, what is read in its place is not.
	copied := m.store.Clone()
	far, store := m.reopened(true)
	store.Store = copied
	err := m.store.List(t.Context(), "data/", func(i storage.Info) error {
		pack, err := storage.ReadAll(t.Context(), m.store, i.Key)
		if err == nil && i.SizeBytes > 100_000 {
			for at := 10_000; at < len(pack)-10_000; at += 20_000 {
				pack[at] ^= 1
			}
			copied.Overwrite(i.Key, pack)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	far.exportsTheSame(t, s, want, k)

	store.fail.Store(true)
	far.exportsTheSame(t, s, want, k)
}
