//go:build unix

package local

import (
	"errors"
	"fmt"
	"io/fs"

	"holdfast/storage"

	"golang.org/x/sys/unix"
)

// movesOpenFiles: a spool can be renamed while it is open.
const movesOpenFiles = true

// writeError adds the sentinel of package storage that says what an error of
// a change (put, delete, spool) means.
func writeError(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission): // EACCES, EPERM
		return fmt.Errorf("%w: %w", storage.ErrReadOnly, err)
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("a file is where a folder should be: %w", err)
	default:
		return err
	}
}

func isCrossDevice(err error) bool { return errors.Is(err, unix.EXDEV) }

// isNotFound tells whether err means that there is no file of that name. A
// path that leads through a file (ENOTDIR) names nothing either.
func isNotFound(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
