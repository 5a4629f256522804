package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames temp to dst unless dst exists (renameat2, Linux 3.15). It
// returns errors.ErrUnsupported where the file system cannot do that, as NFS.
func renameNew(temp, dst string) error {
	for {
		err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, dst, unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
			return errors.ErrUnsupported
		default:
			return &os.LinkError{Op: "rename", Old: temp, New: dst, Err: err}
		}
	}
}
