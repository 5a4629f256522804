package restore

import (
	"errors"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"holdfast/internal/filemode"
	"holdfast/internal/source"
)

// fileHandle is an open file of the target. It is a bare descriptor: an
// os.File costs more than writing a small file does.
type fileHandle int

const noFile fileHandle = -1

func (f fileHandle) close() error { return unix.Close(int(f)) }

func (f fileHandle) state() (state, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f), &st); err != nil {
		return state{}, err
	}
	return stateOf(&st), nil
}

func (f fileHandle) truncate(size int64) error { return unix.Ftruncate(int(f), size) }

// reserve makes room for size bytes before they are written in any order: the
// file ends up in one piece, with less work, and a full disk shows at once. The
// room reads as zeros. File systems that cannot do it do without: false.
func (f fileHandle) reserve(size int64) (reserved bool, err error) {
	err = unix.Fallocate(int(f), 0, 0, size)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return false, err
	}
	return err == nil, nil
}

// writeAt writes all of p.
func (f fileHandle) writeAt(p []byte, offset int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(int(f), p, offset)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

// readAt fills p; an end before that is io.ErrUnexpectedEOF.
func (f fileHandle) readAt(p []byte, offset int64) error {
	for len(p) > 0 {
		n, err := unix.Pread(int(f), p, offset)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

// readAhead has the system begin to read a part of the file, if it will.
func (f fileHandle) readAhead(offset, length int64) {
	unix.Fadvise(int(f), offset, length, unix.FADV_WILLNEED) //nolint:errcheck // it is read all the same
}

// setTimes sets the times of the open file. (unix.UtimesNanoAt wants a
// name.)
func (f fileHandle) setTimes(atime, mtime source.Time) error {
	times := [2]unix.Timespec{timespec(atime), timespec(mtime)}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(f), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0) //nolint:gosec // as futimens(3) does
	if errno != 0 {
		return errno
	}
	return nil
}

func timespec(t source.Time) unix.Timespec {
	return unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}
}

// stateOf translates what stat(2) says.
//
//nolint:unconvert // some fields are narrower on some machines
func stateOf(st *unix.Stat_t) state {
	mode := filemode.FromKernel(st.Mode)
	return state{
		fileID: fileID{uint64(st.Dev), st.Ino},
		kind:   source.TypeOf(mode), mode: mode & modeBits,
		uid: st.Uid, gid: st.Gid,
		links: uint64(st.Nlink), size: st.Size,
		mtime: source.Time{Sec: int64(st.Mtim.Sec), Nsec: int32(st.Mtim.Nsec)}, //nolint:gosec // below 10^9
	}
}
