package storagetest

import (
	"context"
	"errors"
	"testing"

	"holdfast/storage"
)

func testRoundTrip(t *testing.T, s storage.Store) {
	objects := map[string][]byte{
		"config":                         []byte("one segment"),
		"empty":                          {},
		"keys/0123abcd":                  []byte("two segments"),
		"data/3f/3f9a":                   randomBytes(1, 100_000),
		"holdfast/log/shop/00000001.age": []byte("four segments"),
		"names/a b+c%20=é~#&;'":          []byte("characters that need quoting somewhere"),
		"names/.hidden":                  []byte("a dot in front"),
		"names/UPPER":                    []byte("upper case"),
	}
	for key, data := range objects {
		put(t, s, key, data)
	}
	for key, data := range objects {
		wantObject(t, s, key, data)
	}
	if got := list(t, s, ""); len(got) != len(objects) {
		t.Errorf("List sees %d objects, want %d: %q", len(got), len(objects), got)
	}
}

func testLarge(t *testing.T, s storage.Store) {
	data := randomBytes(2, 20<<20)
	put(t, s, "data/20/2000", data)
	wantObject(t, s, "data/20/2000", data)

	buf := make([]byte, 5000)
	if err := storage.ReadRange(t.Context(), s, "data/20/2000", 15<<20, buf); err != nil {
		t.Fatal(err)
	}
	if string(buf) != string(data[15<<20:15<<20+5000]) {
		t.Error("a range in the middle differs from what was stored")
	}
}

func testPutExists(t *testing.T, s storage.Store) {
	for _, again := range [][]byte{[]byte("old"), []byte("other"), {}} {
		key := "index/" + string(rune('a'+len(again)))
		put(t, s, key, []byte("old"))
		if err := s.Put(t.Context(), key, storage.Bytes(again), storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
			t.Errorf("Put on an existing key = %v, want ErrExists", err)
		}
		wantObject(t, s, key, []byte("old"))
	}
}

func testPutFailingBody(t *testing.T, s storage.Store) {
	const size = 3 << 20
	broken := errors.New("the source disk broke")
	for _, failAt := range []int64{0, 1 << 20, size - 1} {
		b := body{data: randomBytes(3, size), sizeBytes: size, before: func(off int64) error {
			if off+4096 > failAt {
				return broken
			}
			return nil
		}}
		if err := s.Put(t.Context(), "data/aa/aa01", b, storage.PutOptions{}); !errors.Is(err, broken) {
			t.Errorf("Put with a body failing at %d = %v, want the error of the body", failAt, err)
		}
		wantAbsent(t, s, "data/aa/aa01")
	}
	put(t, s, "data/aa/aa01", []byte("the key is free"))
}

func testPutShortBody(t *testing.T, s storage.Store) {
	b := body{data: make([]byte, 1000), sizeBytes: 1001}
	if err := s.Put(t.Context(), "data/aa/aa02", b, storage.PutOptions{}); err == nil {
		t.Error("Put with a body shorter than its Size = nil, want an error")
	}
	wantAbsent(t, s, "data/aa/aa02")
}

func testPutCancelled(t *testing.T, s storage.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const size = 8 << 20
	b := body{data: make([]byte, size), sizeBytes: size, before: func(off int64) error {
		if off >= 1<<20 {
			cancel()
		}
		return nil
	}}
	if err := s.Put(ctx, "data/aa/aa03", b, storage.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Put cut off by its context = %v, want context.Canceled", err)
	}
	wantAbsent(t, s, "data/aa/aa03")
}

func testPutAfterDelete(t *testing.T, s storage.Store) {
	put(t, s, "locks/1", []byte("first"))
	if err := s.Delete(t.Context(), "locks/1"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "locks/1", []byte("second"))
	wantObject(t, s, "locks/1", []byte("second"))
}
