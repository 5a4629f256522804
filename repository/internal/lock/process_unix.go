//go:build unix && !linux

package lock

import (
	"errors"
	"syscall"
)

// processExists tells whether a process of this machine lives. In doubt it
// does: a lock is not stale because we may not look.
func processExists(pid int) bool {
	return pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
