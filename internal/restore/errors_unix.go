//go:build unix

package restore

import (
	"errors"
	"syscall"
)

// isFull tells whether an error says that nothing more can be written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
