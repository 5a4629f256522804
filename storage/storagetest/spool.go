package storagetest

import (
	"bytes"
	"errors"
	"testing"

	"holdfast/storage"
)

// newSpool starts a spool that holds data, written in two unequal parts.
func newSpool(t *testing.T, s storage.Store, data []byte) storage.Spool {
	t.Helper()
	sp, err := storage.NewSpool(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sp.Discard(); err != nil {
			t.Errorf("Discard: %v", err)
		}
	})
	third := len(data) / 3
	for _, part := range [][]byte{data[:third], data[third:]} {
		if n, err := sp.Write(part); err != nil || n != len(part) {
			t.Fatalf("Write to the spool = %d, %v", n, err)
		}
	}
	return sp
}

func testSpoolPut(t *testing.T, s storage.Store) {
	for key, data := range map[string][]byte{
		"data/dd/dd01": randomBytes(7, 1<<20+1),
		"snapshots/1":  []byte("small"),
		"empty":        {},
	} {
		sp := newSpool(t, s, data)
		if sp.Size() != int64(len(data)) {
			t.Errorf("Size of the spool = %d, want %d", sp.Size(), len(data))
		}
		if err := s.Put(t.Context(), key, sp, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := sp.Discard(); err != nil {
				t.Errorf("Discard after Put: %v", err)
			}
		}
		wantObject(t, s, key, data)
	}
}

func testSpoolAfterFailedPut(t *testing.T, s storage.Store) {
	data := randomBytes(8, 70_000)
	put(t, s, "index/old", []byte("old"))
	sp := newSpool(t, s, data)

	if err := s.Put(t.Context(), "index/old", sp, storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
		t.Fatalf("Put of a spool on an existing key = %v, want ErrExists", err)
	}
	if err := s.Put(cancelled(), "index/new", sp, storage.PutOptions{}); err == nil {
		t.Fatal("Put with an ended context = nil")
	}
	if err := s.Put(t.Context(), "../index", sp, storage.PutOptions{}); !errors.Is(err, storage.ErrInvalidKey) {
		t.Fatalf("Put of a spool under an invalid key = %v, want ErrInvalidKey", err)
	}

	wantObject(t, s, "index/old", []byte("old"))
	got := make([]byte, len(data))
	if _, err := sp.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("the spool gives other bytes after a failed Put (err %v)", err)
	}
	if err := s.Put(t.Context(), "index/new", sp, storage.PutOptions{}); err != nil {
		t.Fatalf("Put of the same spool: %v", err)
	}
	wantObject(t, s, "index/new", data)
}

func testSpoolUnlisted(t *testing.T, s storage.Store) {
	sp := newSpool(t, s, randomBytes(9, 100_000))
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("List sees an unfinished spool as %q", got)
	}
	if err := sp.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "data/dd/dd02", sp, storage.PutOptions{}); err == nil {
		t.Error("Put of a discarded spool = nil, want an error")
	}
	wantAbsent(t, s, "data/dd/dd02")
}

func testSpoolReadBack(t *testing.T, s storage.Store) {
	data := randomBytes(10, 200_000)
	sp := newSpool(t, s, nil)
	for off := 0; off < len(data); off += 1000 {
		if _, err := sp.Write(data[off : off+1000]); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 500)
		if _, err := sp.ReadAt(got, int64(off+250)); err != nil || !bytes.Equal(got, data[off+250:off+750]) {
			t.Fatalf("ReadAt right after Write gives other bytes (err %v)", err)
		}
	}
	if err := s.Put(t.Context(), "data/dd/dd03", sp, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	wantObject(t, s, "data/dd/dd03", data)
}
