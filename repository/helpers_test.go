package repository

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/mem"
)

var (
	testPassword = []byte("correct horse")
	// weakKey makes a key that costs nothing, and protects nothing.
	weakKey = KeyCost{N: 2, R: 1, P: 1}
)

func testInit() InitOptions { return InitOptions{Password: testPassword, KeyCost: weakKey} }

// initRepository makes a repository and loads its index.
func initRepository(t testing.TB, s storage.Store, o Options) *Repository {
	t.Helper()
	o.Password = testPassword
	r, err := Init(t.Context(), s, testInit(), o)
	if err != nil {
		t.Fatal(err)
	}
	return loaded(t, r)
}

// openRepository opens a repository and loads its index.
func openRepository(t testing.TB, s storage.Store, o Options) *Repository {
	t.Helper()
	o.Password = testPassword
	r, err := Open(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return loaded(t, r)
}

func loaded(t testing.TB, r *Repository) *Repository {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func newWriter(t testing.TB, r *Repository, o WriterOptions) *Writer {
	t.Helper()
	w, err := r.NewWriter(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// smallPacks makes the packs of a new Writer full at 16 KiB, far below what
// users may choose, so that a test of many packs moves few bytes.
func smallPacks(w *Writer) *Writer {
	w.options.PackSizeBytes = 16 << 10
	return w
}

// save stores blobs and returns their IDs.
func save(t testing.TB, w *Writer, typ blob.Type, contents ...[]byte) []id.ID {
	t.Helper()
	var ids []id.ID
	for _, c := range contents {
		saved, err := w.Save(t.Context(), typ, c)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, saved.ID)
	}
	return ids
}

func flush(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// store saves blobs durably, in packs of their own.
func store(t testing.TB, r *Repository, typ blob.Type, contents ...[]byte) []id.ID {
	t.Helper()
	w := newWriter(t, r, WriterOptions{})
	ids := save(t, w, typ, contents...)
	flush(t, w)
	return ids
}

// random returns bytes that cannot be compressed, always the same for a seed.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	rng.Read(b) //nolint:errcheck // never fails
	return b
}

// texts returns n different small blobs.
func texts(n int) [][]byte {
	var all [][]byte
	for k := range n {
		all = append(all, fmt.Appendf(nil, `{"nodes":[%d]}`, k))
	}
	return all
}

func data(i id.ID) blob.Handle { return blob.Handle{ID: i, Type: blob.Data} }
func tree(i id.ID) blob.Handle { return blob.Handle{ID: i, Type: blob.Tree} }

func wantBlob(t testing.TB, r *Repository, h blob.Handle, want []byte) {
	t.Helper()
	got, err := r.LoadBlob(t.Context(), h, nil)
	if err != nil {
		t.Error(err)
	} else if !slices.Equal(got, want) {
		t.Errorf("%s holds other bytes", h)
	}
}

// filesOf lists a kind of file with sizes.
func filesOf(t testing.TB, s storage.Store, k FileKind) map[id.ID]int64 {
	t.Helper()
	found := map[id.ID]int64{}
	err := listFiles(context.Background(), s, k, func(i id.ID, n int64) error { found[i] = n; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// onlyPack returns the one pack of a repository.
func onlyPack(t testing.TB, s storage.Store) id.ID {
	t.Helper()
	packs := filesOf(t, s, PackFile)
	if len(packs) != 1 {
		t.Fatalf("%d packs, want 1", len(packs))
	}
	for i := range packs {
		return i
	}
	panic("unreachable")
}

// damage replaces an object by what change makes of it.
func damage(t testing.TB, s *mem.Store, key string, change func([]byte) []byte) {
	t.Helper()
	b, err := storage.ReadAll(context.Background(), s, key)
	if err != nil {
		t.Fatal(err)
	}
	s.Overwrite(key, change(slices.Clone(b)))
}

func flipBit(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 4; return b }
}

func cutTo(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }

// blobsOf returns what the index says of a pack, in the order of offsets.
func blobsOf(t testing.TB, r *Repository, packID id.ID) []blob.Blob {
	t.Helper()
	var found []blob.Blob
	err := r.Index().ByPack(t.Context(), func(i id.ID) bool { return i == packID }, func(_ id.ID, blobs []blob.Blob) error {
		found = slices.Clone(blobs)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
