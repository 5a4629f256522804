//go:build unix

package local

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// syncDir flushes the entries of a folder. A folder that we may enter and
// write but not read cannot be opened for it; nothing better exists there.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	err = syncFile(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncFile flushes f to the medium (os.File.Sync asks macOS for F_FULLFSYNC,
// where a plain fsync stops at the drive's cache). A file system that knows
// no flush, as some network and user-space ones, is taken as it is.
func syncFile(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return nil
	}
	return err
}
