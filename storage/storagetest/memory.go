package storagetest

import (
	"encoding/binary"
	"io"
	"runtime"
	"testing"

	"holdfast/storage"
)

const (
	// largeKey is one that servers of restic's files take.
	largeKey   = "data/1a/1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
	largeBytes = 200 << 20
	// grownBytes is how much more memory may be used for an object of any size.
	grownBytes = 64 << 20
)

// RunMemory puts an object that is larger than the memory that may be used for
// it, and reads it back. It wants a store whose server is another process.
func RunMemory(t *testing.T, s storage.Store) {
	body := endless(largeBytes)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := s.Put(t.Context(), largeKey, body, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), largeKey, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read from
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < body.Size(); off += int64(len(got)) {
		if _, err := io.ReadFull(r, got); err != nil {
			t.Fatal(err)
		}
		body.ReadAt(want, off) //nolint:errcheck // it never fails
		if string(got) != string(want) {
			t.Fatalf("other bytes from %d on", off)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > grownBytes { //nolint:gosec // no machine has as much
		t.Errorf("the heap has grown by %d MiB for an object of %d", grown>>20, largeBytes>>20)
	}
}

// endless is a body of so many bytes that takes no memory. It does not compress.
type endless int64

func (e endless) Size() int64 { return int64(e) }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), int64(e)-off))
	for k := 0; k < n; {
		var word [8]byte
		at := uint64(off) + uint64(k) //nolint:gosec // not negative
		x := (at/8 + 1) * 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(word[:], x^x>>29)
		k += copy(p[k:n], word[at%8:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
