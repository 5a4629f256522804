//go:build unix

package restoretest

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file until it is closed; an error says that somebody has it.
func tryLock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor
}
