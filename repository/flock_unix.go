//go:build !windows

package repository

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLockFile takes a lock on f that ends with the process; false means that
// another one holds it.
func tryLockFile(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
