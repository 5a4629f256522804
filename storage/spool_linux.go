package storage

import (
	"os"

	"golang.org/x/sys/unix"
)

// unnamedFile makes a temporary file that never has a name, so that a process
// that is killed leaves nothing behind, whenever that is. False where the file
// system has no such files.
func unnamedFile() (*os.File, bool) {
	for {
		fd, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), "spool"), true
		case unix.EINTR:
		default:
			return nil, false
		}
	}
}
