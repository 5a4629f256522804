//go:build unix

package proof

import "golang.org/x/sys/unix"

// FreeBytes returns how much this user may write to the disk that path is on.
func FreeBytes(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	// Both are signed on some systems.
	available, block := int64(st.Bavail), int64(st.Bsize) //nolint:gosec,unconvert // see above
	if available <= 0 || block <= 0 {
		return 0, nil
	}
	return uint64(available) * uint64(block), nil
}
