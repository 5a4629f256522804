package files

import (
	"golang.org/x/sys/unix"

	"holdfast/internal/filemode"
	"holdfast/internal/source"
)

// fstat returns the state of an open file.
func fstat(fd int) (source.Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return source.Entry{}, err
	}
	return entryOf(&st), nil
}

// statPath returns the state of the file at path, following symlinks.
func statPath(path string) (source.Entry, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return source.Entry{}, err
	}
	return entryOf(&st), nil
}

// entryOf returns st as an entry without a name. The conversions are needed
// where the fields are narrower (32-bit machines, arm64).
//
//nolint:unconvert
func entryOf(st *unix.Stat_t) source.Entry {
	return source.Entry{
		Mode:       filemode.FromKernel(st.Mode),
		UID:        st.Uid,
		GID:        st.Gid,
		Size:       st.Size,
		ModTime:    source.Time{Sec: int64(st.Mtim.Sec), Nsec: int32(st.Mtim.Nsec)},
		ChangeTime: source.Time{Sec: int64(st.Ctim.Sec), Nsec: int32(st.Ctim.Nsec)},
		AccessTime: source.Time{Sec: int64(st.Atim.Sec), Nsec: int32(st.Atim.Nsec)},
		Inode:      st.Ino,
		DeviceID:   uint64(st.Dev),
		Links:      uint64(st.Nlink),
		RDev:       uint64(st.Rdev),
	}
}
