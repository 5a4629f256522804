package files

import (
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"holdfast/internal/source"
)

// system is what all handles of a source share.
type system struct {
	open    openSet
	buffers sync.Pool // of *[bufferSize]byte
	euid    uint32
	drop    bool
}

// bufferSize holds any list or value of extended attributes (the kernel's
// XATTR_LIST_MAX and XATTR_SIZE_MAX), and some 2,000 names of a directory.
const bufferSize = 64 << 10

func (s *system) start(cfg Config) {
	s.open.limit = cfg.MaxOpenDirs
	s.buffers.New = func() any { return new([bufferSize]byte) }
	s.euid = uint32(os.Geteuid())
	s.drop = cfg.DropCache
}

// purpose is what a directory is opened for.
type purpose int

const (
	forListing purpose = unix.O_RDONLY
	// forPassing needs no read permission: its names can be reached, not listed.
	forPassing purpose = unix.O_PATH
)

// handle is a directory, open or ready to be opened again: the source keeps
// a bounded number of descriptors, so those unused longest are closed while
// the walk is deep below them.
type handle struct {
	sys    *system
	parent *handle // nil when name is a path
	name   string
	flags  int
	// entry is the directory's state at its first opening.
	entry source.Entry

	mu     sync.RWMutex // held for reading while fd is in use
	fd     int          // negative while closed
	done   bool
	listed sync.Mutex // one listing at a time: the descriptor has one offset

	older, newer *handle // in sys.open
}

func (s *system) openPath(path string, purpose purpose) (*handle, error) {
	h := &handle{sys: s, name: path, flags: int(purpose) | unix.O_DIRECTORY | unix.O_CLOEXEC, fd: -1}
	return h, h.openFirst()
}

// openDir opens a subdirectory, never through a symlink.
func (h *handle) openDir(name string) (*handle, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	sub := &handle{sys: h.sys, parent: h, name: name, flags: flags, fd: -1}
	return sub, sub.openFirst()
}

// openFirst opens h and learns which directory it is.
func (h *handle) openFirst() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	fd, err := h.openDescriptor()
	if err != nil {
		return err
	}
	if h.entry, err = fstat(fd); err != nil {
		unix.Close(fd)
		return err
	}
	h.entry.Name = h.name
	h.keep(fd)
	return nil
}

// reopen opens h again where it was, and makes sure that it is what it was.
func (h *handle) reopen() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done {
		return fs.ErrClosed
	}
	if h.fd >= 0 { // somebody was faster
		return nil
	}
	fd, err := h.openDescriptor()
	if err != nil {
		return fmt.Errorf("open %s again: %w", h.name, err)
	}
	now, err := fstat(fd)
	if err == nil && !now.SameFile(&h.entry) {
		err = fmt.Errorf("directory %s was replaced: %w", h.name, source.ErrChanged)
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	h.keep(fd)
	return nil
}

func (h *handle) openDescriptor() (int, error) {
	if h.parent == nil {
		return openRetry(unix.AT_FDCWD, h.name, h.flags)
	}
	at, err := h.parent.use()
	if err != nil {
		return -1, err
	}
	defer h.parent.unuse()
	fd, err := openRetry(at, h.name, h.flags)
	if err == unix.ELOOP || err == unix.ENOTDIR {
		err = fmt.Errorf("no longer a directory: %w", source.ErrChanged)
	}
	return fd, err
}

// keep takes fd over. h.mu is held for writing.
func (h *handle) keep(fd int) {
	h.fd = fd
	h.sys.open.add(h)
}

// use returns the descriptor of h, which stays open until unuse.
func (h *handle) use() (int, error) {
	for {
		h.mu.RLock()
		if h.fd >= 0 {
			return h.fd, nil
		}
		h.mu.RUnlock()
		if err := h.reopen(); err != nil {
			return -1, err
		}
	}
}

func (h *handle) unuse() { h.mu.RUnlock() }

func (h *handle) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = true
	if h.fd < 0 {
		return nil
	}
	h.sys.open.remove(h)
	fd := h.fd
	h.fd = -1
	return unix.Close(fd)
}

func (h *handle) lstat(name string) (source.Entry, error) {
	fd, err := h.use()
	if err != nil {
		return source.Entry{Name: name}, err
	}
	e, err := lstatAt(fd, name)
	h.unuse()
	e.Name = name
	return e, err
}

func (h *handle) readlink(name string) (string, error) {
	fd, err := h.use()
	if err != nil {
		return "", err
	}
	defer h.unuse()
	buf := h.sys.buffers.Get().(*[bufferSize]byte)
	defer h.sys.buffers.Put(buf)
	n, err := unix.Readlinkat(fd, name, buf[:])
	if err != nil {
		return "", fmt.Errorf("read link: %w", err)
	}
	return string(buf[:n]), nil // no target is longer than PATH_MAX
}

// openRetry is openat, again when a signal interrupts it.
func openRetry(at int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(at, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
