//go:build unix

package wal

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file until it is closed; false means that another process
// has it.
func tryLock(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
