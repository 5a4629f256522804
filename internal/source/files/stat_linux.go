package files

import (
	"os"

	"golang.org/x/sys/unix"

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
		Mode:       fileMode(st.Mode),
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

// fileMode translates st_mode as package os does.
func fileMode(mode uint32) os.FileMode {
	m := os.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		m |= os.ModeDir
	case unix.S_IFLNK:
		m |= os.ModeSymlink
	case unix.S_IFBLK:
		m |= os.ModeDevice
	case unix.S_IFCHR:
		m |= os.ModeDevice | os.ModeCharDevice
	case unix.S_IFIFO:
		m |= os.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= os.ModeSocket
	default:
		m |= os.ModeIrregular
	}
	if mode&unix.S_ISUID != 0 {
		m |= os.ModeSetuid
	}
	if mode&unix.S_ISGID != 0 {
		m |= os.ModeSetgid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= os.ModeSticky
	}
	return m
}
