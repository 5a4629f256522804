package lock

import "os"

// processExists tells whether a process of this machine lives.
func processExists(pid int) bool {
	p, err := os.FindProcess(pid) // opens the process on Windows
	if err != nil {
		return false
	}
	p.Release() //nolint:errcheck // only a handle is freed
	return true
}
