package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk that is full ends the backup with a message that says so and what to
// do. When there is room again the backup runs to its end.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is soon full")
	}
	const diskBytes = 24 << 20
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	small, large := filepath.Join(t.TempDir(), "small"), filepath.Join(t.TempDir(), "large")
	writeFile(t, small, "file", noise(1, 1<<20))
	writeFile(t, large, "file", noise(2, diskBytes+8<<20))
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, diskBytes/2), 0o600); err != nil {
		t.Fatal(err)
	}

	d := newDiskRepositoryAt(t, filepath.Join(disk, "repository"))
	d.ours.Run(t, "backup", small)
	r := d.ours.Exits(t, 1, "backup", large)
	if !strings.Contains(r.Stderr, "storage is full") || !strings.Contains(r.Stderr, "holdfast prune") {
		t.Errorf("the message does not tell what is wrong and what to do: %s", r.Stderr)
	}
	d.restic.Run(t, "check", "--read-data", "--no-lock")
	d.wantRestored(t, small)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, fmt.Sprintf("size=%d", 4*diskBytes)); err != nil {
		t.Fatal(err)
	}
	d.ours.Run(t, "backup", large)
	d.restic.Run(t, "check", "--read-data")
	d.wantRestored(t, large)
}
