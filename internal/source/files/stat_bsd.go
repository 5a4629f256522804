//go:build darwin || freebsd

package files

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"holdfast/internal/source"
)

// openFlags refuse symlinks and do not wait for the writer of a fifo.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// openError names the refusal of a symlink: EMLINK on FreeBSD, else ELOOP.
func openError(err error) error {
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) {
		return fmt.Errorf("no longer a regular file: %w", source.ErrChanged)
	}
	return err
}

func identified(_ string, info os.FileInfo) source.Entry { return entryOf(info) }

// entryOf returns the state of a file as an entry without a name.
func entryOf(info os.FileInfo) source.Entry {
	st := info.Sys().(*syscall.Stat_t)
	return source.Entry{
		Mode:       info.Mode(),
		UID:        st.Uid,
		GID:        st.Gid,
		Size:       st.Size,
		ModTime:    timeOf(st.Mtimespec),
		ChangeTime: timeOf(st.Ctimespec),
		AccessTime: timeOf(st.Atimespec),
		Inode:      st.Ino,
		DeviceID:   uint64(st.Dev),
		Links:      uint64(st.Nlink),
		RDev:       uint64(st.Rdev),
	}
}

func timeOf(ts syscall.Timespec) source.Time {
	sec, nsec := ts.Unix()
	return source.Time{Sec: sec, Nsec: int32(nsec)}
}
