package tempfile

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// unnamed makes a file that never has a name; nil if that cannot be had. Why
// is told by whoever makes one with a name then.
func unnamed(prefix string) *os.File {
	for {
		fd, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		switch err {
		case nil:
			// What it is called is the name of nothing: CreateTemp appends digits.
			return os.NewFile(uintptr(fd), filepath.Join(os.TempDir(), prefix+"unnamed"))
		case unix.EINTR:
		default:
			return nil
		}
	}
}
