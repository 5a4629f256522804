//go:build linux && (amd64 || arm64)

package files

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"holdfast/internal/source"
)

// maxName is the longest name of any Linux file system (NAME_MAX).
const maxName = 255

// lstatAt returns the state of a name in the directory fd. It is the one
// call made for every file of every backup, so it spares the heap copy of
// the name that unix.Fstatat makes: names fit on the stack.
func lstatAt(fd int, name string) (source.Entry, error) {
	if len(name) > maxName {
		return source.Entry{}, unix.ENAMETOOLONG
	}
	var path [maxName + 1]byte // ended by zero
	copy(path[:], name)
	var st unix.Stat_t
	for {
		_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(fd), uintptr(unsafe.Pointer(&path)),
			uintptr(unsafe.Pointer(&st)), unix.AT_SYMLINK_NOFOLLOW, 0, 0)
		switch errno {
		case 0:
			return entryOf(&st), nil
		case unix.EINTR:
		default:
			return source.Entry{}, errno
		}
	}
}
