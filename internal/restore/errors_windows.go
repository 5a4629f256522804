package restore

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isFull tells whether an error says that nothing more can be written.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_WRITE_PROTECT)
}
