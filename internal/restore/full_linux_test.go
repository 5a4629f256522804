package restore

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoRoomForAFile restores to a disk that has room for some files: of the one
// it has no room for nothing is there, not even an empty file of its name.
func TestNoRoomForAFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is soon full")
	}
	target := t.TempDir()
	if err := unix.Mount("tmpfs", target, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b := newBed(t)
	s := b.make(fileOf("large", strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20)))
	_, err := b.try(t.Context(), s, target)
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want one of a full disk", err)
	}
	if _, err := os.Lstat(target + "/large"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left of the file: %v", err)
	}
}
