package files

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"holdfast/repository/tree"
)

// attributeCalls are the system calls on the attributes of one file.
type attributeCalls struct {
	list func(buf []byte) (int, error)
	get  func(name string, buf []byte) (int, error)
}

// attributes returns the extended attributes of a name in h. There is no
// such call relative to a directory before Linux 6.13; going through /proc
// is as safe, since the descriptor's link leads to the very directory.
func (h *handle) attributes(name string) ([]tree.ExtendedAttribute, error) {
	fd, err := h.use()
	if err != nil {
		return nil, err
	}
	defer h.unuse()
	return h.sys.attributes(pathAttributes("/proc/self/fd/" + strconv.Itoa(fd) + "/" + name))
}

// pathAttributes is about the file at path, a symlink itself included.
func pathAttributes(path string) attributeCalls {
	return attributeCalls{
		list: func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) },
		get:  func(name string, buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) },
	}
}

func openFileAttributes(fd int) attributeCalls {
	return attributeCalls{
		list: func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		get:  func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) },
	}
}

// attributes reads all attributes, sorted by name. With an error it returns
// those that could be read. The buffer is as large as the kernel allows
// lists and values to be, so sizes need not be asked first: a file without
// attributes, as most are, costs one call.
func (s *system) attributes(calls attributeCalls) ([]tree.ExtendedAttribute, error) {
	buf := s.buffers.Get().(*[bufferSize]byte)
	defer s.buffers.Put(buf)
	n, err := calls.list(buf[:])
	if err != nil {
		if noAttributes(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	if n == 0 {
		return nil, nil
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	return readAttributes(calls, names, buf[:])
}

func readAttributes(calls attributeCalls, names []string, buf []byte) ([]tree.ExtendedAttribute, error) {
	attributes := make([]tree.ExtendedAttribute, 0, len(names))
	var failed error
	for _, name := range names {
		if !utf8.ValidString(name) { // would be stored as another name
			failed = errors.Join(failed, fmt.Errorf("store extended attribute %q: its name is no UTF-8", name))
			continue
		}
		n, err := calls.get(name, buf)
		switch {
		case err == nil:
			value := bytes.Clone(buf[:n:n]) // empty, not nil, for an empty value
			attributes = append(attributes, tree.ExtendedAttribute{Name: name, Value: value})
		case noAttributes(err): // removed since it was listed
		default:
			failed = errors.Join(failed, fmt.Errorf("read extended attribute %s: %w", name, err))
		}
	}
	return attributes, failed
}

// noAttributes tells whether an error means that there is nothing to read:
// the file system knows no attributes, or not this one (SMB answers so too).
func noAttributes(err error) bool {
	return err == unix.ENOTSUP || err == unix.ENODATA
}

// attributesAbove reads the attributes of an intermediate directory of a
// root. Not being allowed to list them is no error: it is above what the
// user asked for.
func (s *system) attributesAbove(path string) ([]tree.ExtendedAttribute, error) {
	attributes, err := s.attributes(pathAttributes(path))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		err = nil
	}
	return attributes, err
}
