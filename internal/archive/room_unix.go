//go:build unix

package archive

import "golang.org/x/sys/unix"

// roomIn returns the bytes that a folder has room for.
func roomIn(path string) (int64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, false
	}
	return int64(uint64(st.Bavail) * uint64(st.Bsize)), true //nolint:gosec,unconvert // types differ between systems
}
