//go:build unix

package protect

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLockFile takes a lock on f that ends when f is closed; false means that
// another process holds it.
func tryLockFile(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// syncFolder makes a rename in the folder survive a crash of the machine.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // it was only synced
	return d.Sync()
}
