//go:build linux && !amd64 && !arm64

package files

import (
	"golang.org/x/sys/unix"

	"holdfast/internal/source"
)

// lstatAt returns the state of a name in the directory fd.
func lstatAt(fd int, name string) (source.Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return source.Entry{}, err
	}
	return entryOf(&st), nil
}
