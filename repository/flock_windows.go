package repository

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLockFile takes a lock on f that ends with the process; false means that
// another one holds it.
func tryLockFile(f *os.File) bool {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	// The locked byte lies past any content, which stays readable.
	at := windows.Overlapped{OffsetHigh: 1}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &at) == nil
}
