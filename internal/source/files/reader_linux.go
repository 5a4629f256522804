package files

import (
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// reader is an open file. It is a bare descriptor: os.File would offer each
// to the poller first, which regular files refuse, at two system calls.
type reader struct {
	sys   *system
	fd    int
	entry source.Entry
	read  int64 // bytes
	large bool
}

// noOwner stands for an owner that is not known.
const noOwner = ^uint32(0)

// openFile opens a file that belonged to uid when it was listed. It is the
// caller's to look at entry: what is opened can be of any type but symlink.
func (h *handle) openFile(name string, uid uint32) (*reader, error) {
	at, err := h.use()
	if err != nil {
		return nil, err
	}
	defer h.unuse()
	// O_NONBLOCK keeps a fifo that took the file's place from blocking us.
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := h.sys.openQuietly(at, name, flags, uid)
	switch err {
	case nil:
	case unix.ELOOP, unix.ENXIO: // a symlink; a socket or a fifo without writers
		return nil, fmt.Errorf("no longer a regular file: %w", source.ErrChanged)
	default:
		return nil, err
	}
	r := &reader{sys: h.sys, fd: fd}
	if r.entry, err = fstat(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r.entry.Name = name
	return r, nil
}

// openQuietly opens without setting the access time, where that is allowed:
// to the owner and to root, but not to a root of another user namespace.
func (s *system) openQuietly(at int, name string, flags int, uid uint32) (int, error) {
	if s.euid == 0 || s.euid == uid {
		fd, err := openRetry(at, name, flags|unix.O_NOATIME)
		if err != unix.EPERM {
			return fd, err
		}
	}
	return openRetry(at, name, flags)
}

// readAheadSize is from where on telling the kernel that a file is read in
// order pays for the system call that tells it.
const readAheadSize = 4 << 20

// expect prepares for reading size bytes from start to end.
func (r *reader) expect(size int64) {
	if r.large = size >= readAheadSize; r.large {
		// It is a hint: if it fails, the file is only read slower.
		_ = unix.Fadvise(r.fd, 0, 0, unix.FADV_SEQUENTIAL)
	}
}

// Read takes a read that stops short where the file's size said it would for
// the end, and saves asking once more: Check notices what grew meanwhile.
func (r *reader) Read(p []byte) (int, error) {
	if r.fd < 0 {
		return 0, fs.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := unix.Read(r.fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("read %s: %w", r.entry.Name, err)
		case n == 0:
			return 0, io.EOF
		default:
			r.read += int64(n)
			if n < len(p) && r.read == r.entry.Size {
				return n, io.EOF
			}
			return n, nil
		}
	}
}

func (r *reader) stat() (source.Entry, error) { return fstat(r.fd) }

func (r *reader) attributes() ([]tree.ExtendedAttribute, error) {
	return r.sys.attributes(openFileAttributes(r.fd))
}

func (r *reader) close() error {
	if r.fd < 0 {
		return fs.ErrClosed
	}
	if r.large && r.sys.drop {
		_ = unix.Fadvise(r.fd, 0, 0, unix.FADV_DONTNEED) // a hint, as above
	}
	fd := r.fd
	r.fd = -1
	return unix.Close(fd)
}
