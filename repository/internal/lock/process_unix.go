//go:build !windows

package lock

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// processExists tells whether a process of this machine lives. In doubt it
// does: a lock is not stale because we may not look.
func processExists(pid int) bool {
	if pid <= 0 {
		return true
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !isZombie(pid)
}

// isZombie tells whether a process has ended and its parent has not asked how:
// it has a number still, and will never give back its locks. Only Linux tells.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// "4168 (name) Z 1 ...": the name may hold anything.
	_, rest, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return found && len(rest) > 0 && (rest[0] == 'Z' || rest[0] == 'X')
}
