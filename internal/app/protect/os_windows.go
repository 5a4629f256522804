package protect

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLockFile takes a lock on f that ends when f is closed; false means that
// another process holds it.
func tryLockFile(f *os.File) bool {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)) == nil
}

// syncFolder has nothing to do: folders cannot be synced on Windows.
func syncFolder(string) error { return nil }
