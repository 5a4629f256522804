//go:build !windows

package lock

import (
	"errors"
	"syscall"
)

// processExists tells whether a process of this machine lives. In doubt it
// does: a lock is not stale because we may not look.
func processExists(pid int) bool {
	if pid <= 0 {
		return true
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
