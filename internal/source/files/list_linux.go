package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// list returns the names in the directory, sorted. All of them are cut from
// one string: two allocations that grow, not one for each name.
func (h *handle) list() ([]string, error) {
	fd, err := h.use()
	if err != nil {
		return nil, err
	}
	defer h.unuse()
	h.listed.Lock()
	defer h.listed.Unlock()
	if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
		return nil, fmt.Errorf("rewind: %w", err)
	}
	buf := h.sys.buffers.Get().(*[bufferSize]byte)
	defer h.sys.buffers.Put(buf)

	var joined []byte // the names, each ended by "/"
	count := 0
	for {
		n, err := unix.Getdents(fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			return splitNames(string(joined), count), nil
		}
		var added int
		if joined, added, err = appendNames(joined, buf[:n]); err != nil {
			return nil, err
		}
		count += added
	}
}

// Where things stand in struct linux_dirent64, see getdents64(2).
const (
	direntLength = 16
	direntName   = 19
)

// appendNames appends the names in a buffer of directory entries to joined,
// each ended by "/", and returns how many there were.
func appendNames(joined, entries []byte) ([]byte, int, error) {
	count := 0
	for len(entries) > 0 {
		if len(entries) < direntName {
			return joined, count, fmt.Errorf("directory entry of %d bytes is too short", len(entries))
		}
		length := int(binary.NativeEndian.Uint16(entries[direntLength:]))
		if length < direntName || length > len(entries) {
			return joined, count, fmt.Errorf("directory entry has length %d of %d", length, len(entries))
		}
		name := entries[direntName:length]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		entries = entries[length:]
		if len(name) == 0 || string(name) == "." || string(name) == ".." {
			continue
		}
		// A file system that reports such a name is broken or hostile.
		if bytes.IndexByte(name, '/') >= 0 {
			return joined, count, fmt.Errorf("directory entry %q holds a path", name)
		}
		joined = append(append(joined, name...), '/')
		count++
	}
	return joined, count, nil
}

// splitNames cuts the joined names apart, sorts them, and drops doubles: a
// directory that changes while it is read may report a name twice.
func splitNames(joined string, count int) []string {
	names := make([]string, 0, count)
	start := 0
	for i := 0; i < len(joined); i++ {
		if joined[i] == '/' {
			names = append(names, joined[start:i])
			start = i + 1
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
