package local

import (
	"errors"
	"os"
	"testing"

	"holdfast/storage"
)

// TestSpoolOnFullDisk writes to /dev/full, which answers ENOSPC.
func TestSpoolOnFullDisk(t *testing.T) {
	s, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	body, err := s.NewSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Discard()
	sp := body.(*spool)
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := sp.f
	sp.f = full
	if _, err := sp.Write(make([]byte, 2*spoolBufferBytes)); !errors.Is(err, storage.ErrFull) {
		t.Errorf("Write on a full disk = %v, want ErrFull", err)
	}
	sp.f = file
	full.Close()

	// Room again: the lost bytes must still not pass for an object.
	if err := s.Put(t.Context(), "data/3f/3f9a", sp, storage.PutOptions{}); !errors.Is(err, storage.ErrFull) {
		t.Errorf("Put of a spool that lost bytes = %v, want ErrFull", err)
	}
	if _, err := s.Stat(t.Context(), "data/3f/3f9a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat = %v, want ErrNotFound", err)
	}
}
