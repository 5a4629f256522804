//go:build unix

package console

import "golang.org/x/sys/unix"

// freeBytes is how much may be written below a folder.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:gosec,unconvert // types differ between systems
}

// writable tells why nothing can be written to a folder; nil if it can.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
