package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames temp to dst unless dst exists (renamex_np, macOS 10.12).
// It returns errors.ErrUnsupported where the file system cannot do that.
func renameNew(temp, dst string) error {
	for {
		err := unix.RenamexNp(temp, dst, unix.RENAME_EXCL)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSUP):
			return errors.ErrUnsupported
		default:
			return &os.LinkError{Op: "rename", Old: temp, New: dst, Err: err}
		}
	}
}
