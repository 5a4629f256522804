package local

import (
	"errors"
	"fmt"
	"io/fs"

	"holdfast/storage"

	"golang.org/x/sys/windows"
)

// movesOpenFiles: an open file keeps its name, so spools are copied.
const movesOpenFiles = false

// writeError adds the sentinel of package storage that says what an error of
// a change (put, delete, spool) means.
func writeError(err error) error {
	switch {
	case errors.Is(err, windows.ERROR_DISK_FULL), errors.Is(err, windows.ERROR_HANDLE_DISK_FULL),
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED):
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case errors.Is(err, windows.ERROR_WRITE_PROTECT), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", storage.ErrReadOnly, err)
	default:
		return err
	}
}

func isCrossDevice(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }

// isNotFound tells whether err means that there is no file of that name.
func isNotFound(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, windows.ERROR_DIRECTORY)
}
