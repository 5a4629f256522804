package repository

import (
	"bytes"
	"testing"

	"holdfast/repository/blob"
	"holdfast/storage/mem"
)

// TestSealersLetGoOfLargeBuffers stores the largest blobs there are, such as
// are compressed and such as are not, and looks what memory is kept for the
// next.
func TestSealersLetGoOfLargeBuffers(t *testing.T) {
	r := loaded(t, initRepository(t, mem.New(), Options{}))
	w := newWriter(t, r, WriterOptions{Workers: 1})
	const largest = 8 << 20
	save(t, w, blob.Data, random(1, largest), bytes.Repeat([]byte("large and dull, "), largest/16))
	s := <-w.sealers
	for name, kept := range map[string]int{"compressed": cap(s.compressed), "sealed": cap(s.sealed), "again": cap(s.again)} {
		if kept > keptBytes {
			t.Errorf("%s: %d MiB are kept", name, kept>>20)
		}
	}
	w.sealers <- s
	save(t, w, blob.Data, random(2, 4<<20))
	s = <-w.sealers
	if cap(s.sealed) < 4<<20 {
		t.Errorf("of a usual blob %d bytes are kept", cap(s.sealed))
	}
	w.sealers <- s
}
