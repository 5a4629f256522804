package oddities

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// maxReported bounds the differences listed.
const maxReported = 50

// Compare fails the test with a list of differences between the trees at a
// and b: names, types, content, modes, owners, modification times to the
// nanosecond, extended attributes, link targets, device numbers, and which
// names are hard links of one another. Sockets are passed over: no backup
// holds them. Access and change times, inodes and holes may differ.
func Compare(t testing.TB, a, b string) {
	t.Helper()
	differences, err := Differences(a, b)
	if err != nil {
		t.Fatalf("compare %s with %s: %v", a, b, err)
	}
	for i, d := range differences {
		if i == maxReported {
			t.Errorf("and %d more differences", len(differences)-i)
			return
		}
		t.Error(d)
	}
}

// Differences returns what Compare reports, in order of paths.
func Differences(a, b string) ([]string, error) {
	c := comparison{groups: [2]map[fileID]string{{}, {}}}
	at, err := openDir(unix.AT_FDCWD, a)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	bt, err := openDir(unix.AT_FDCWD, b)
	if err != nil {
		return nil, err
	}
	defer unix.Close(bt)
	if err := c.compare(pair{at, bt}, ".", "."); err != nil {
		return nil, err
	}
	err = c.directories(pair{at, bt}, "")
	return c.differences, err
}

// pair holds the descriptors of one directory in both trees.
type pair [2]int

type fileID struct{ dev, inode uint64 }

type comparison struct {
	differences []string
	// groups names each hard linked file by the first path it was met at.
	groups [2]map[fileID]string
}

func (c *comparison) differ(path, format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf("%q: ", path)+fmt.Sprintf(format, args...))
}

// directories compares what two open directories hold.
func (c *comparison) directories(at pair, path string) error {
	var listings [2]map[string]bool
	for i, fd := range at {
		var err error
		if listings[i], err = list(fd); err != nil {
			return fmt.Errorf("list %q: %w", path, err)
		}
	}
	union := maps.Clone(listings[0])
	maps.Copy(union, listings[1])
	for _, name := range slices.Sorted(maps.Keys(union)) {
		below := path + "/" + name
		switch {
		case !listings[0][name]:
			c.differ(below, "only in the second")
		case !listings[1][name]:
			c.differ(below, "only in the first")
		default:
			if err := c.compare(at, name, below); err != nil {
				return fmt.Errorf("compare %q: %w", below, err)
			}
		}
	}
	return nil
}

// compare compares one name of two directories, and what is below it.
func (c *comparison) compare(at pair, name, path string) error {
	var st [2]unix.Stat_t
	for i, fd := range at {
		if err := unix.Fstatat(fd, name, &st[i], unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	c.states(&st, path)
	if err := c.attributes(at, name, path); err != nil {
		return err
	}
	if st[0].Mode&unix.S_IFMT != st[1].Mode&unix.S_IFMT {
		return nil // reported as different modes
	}
	switch st[0].Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.contents(at, name, path)
	case unix.S_IFLNK:
		return c.targets(at, name, path)
	case unix.S_IFDIR:
		if name != "." {
			return c.subdirectories(at, name, path)
		}
	}
	return nil
}

func (c *comparison) subdirectories(at pair, name, path string) error {
	var sub pair
	for i, fd := range at {
		var err error
		if sub[i], err = openDir(fd, name); err != nil {
			return err
		}
		defer unix.Close(sub[i])
	}
	return c.directories(sub, path)
}

func (c *comparison) states(st *[2]unix.Stat_t, path string) {
	a, b := &st[0], &st[1]
	if a.Mode != b.Mode {
		c.differ(path, "mode %o, in the second %o", a.Mode, b.Mode)
	}
	if a.Uid != b.Uid || a.Gid != b.Gid {
		c.differ(path, "owner %d:%d, in the second %d:%d", a.Uid, a.Gid, b.Uid, b.Gid)
	}
	if a.Mtim != b.Mtim {
		c.differ(path, "modified %d.%09d, in the second %d.%09d", a.Mtim.Sec, a.Mtim.Nsec, b.Mtim.Sec, b.Mtim.Nsec)
	}
	if a.Rdev != b.Rdev {
		c.differ(path, "device %#x, in the second %#x", a.Rdev, b.Rdev)
	}
	if a.Mode&unix.S_IFMT != unix.S_IFDIR {
		c.hardLinks(st, path)
	}
}

func (c *comparison) hardLinks(st *[2]unix.Stat_t, path string) {
	var first [2]string
	for i := range st {
		id := fileID{uint64(st[i].Dev), st[i].Ino} //nolint:unconvert // narrower on some machines
		if c.groups[i][id] == "" {
			c.groups[i][id] = path
		}
		first[i] = c.groups[i][id]
	}
	if first[0] != first[1] {
		c.differ(path, "same file as %q, in the second as %q", first[0], first[1])
	}
}

func (c *comparison) targets(at pair, name, path string) error {
	var targets [2]string
	buf := make([]byte, unix.PathMax)
	for i, fd := range at {
		n, err := unix.Readlinkat(fd, name, buf)
		if err != nil {
			return err
		}
		targets[i] = string(buf[:n])
	}
	if targets[0] != targets[1] {
		c.differ(path, "links to %q, in the second to %q", targets[0], targets[1])
	}
	return nil
}

func (c *comparison) attributes(at pair, name, path string) error {
	var attributes [2]map[string]string
	for i, fd := range at {
		var err error
		if attributes[i], err = readAttributes("/proc/self/fd/" + strconv.Itoa(fd) + "/" + name); err != nil {
			return err
		}
	}
	union := maps.Clone(attributes[0])
	maps.Copy(union, attributes[1])
	for _, attribute := range slices.Sorted(maps.Keys(union)) {
		a, inA := attributes[0][attribute]
		b, inB := attributes[1][attribute]
		if inA != inB || a != b {
			c.differ(path, "attribute %q is %.80q (present: %v), in the second %.80q (%v)", attribute, a, inA, b, inB)
		}
	}
	return nil
}

func readAttributes(path string) (map[string]string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attributes: %w", err)
	}
	attributes := make(map[string]string)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("read attribute %s: %w", name, err)
		}
		attributes[name] = string(value[:n])
	}
	return attributes, nil
}

// contents compares two files byte by byte, in pieces.
func (c *comparison) contents(at pair, name, path string) error {
	var files [2]*os.File
	for i, dir := range at {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		files[i] = os.NewFile(uintptr(fd), name)
		defer files[i].Close()
	}
	var bufs [2][]byte
	for i := range bufs {
		bufs[i] = make([]byte, 256<<10)
	}
	for offset := int64(0); ; {
		n, err := io.ReadFull(files[0], bufs[0])
		m, err2 := io.ReadFull(files[1], bufs[1])
		if !bytes.Equal(bufs[0][:n], bufs[1][:m]) {
			c.differ(path, "content differs at or after byte %d", offset)
			return nil
		}
		if err != nil || err2 != nil {
			return errors.Join(unexpected(err), unexpected(err2))
		}
		offset += int64(n)
	}
}

// unexpected drops the errors that only tell the end of a file.
func unexpected(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

func openDir(at int, name string) (int, error) {
	return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// list returns the names in a directory but for sockets.
func list(fd int) (map[string]bool, error) {
	again, err := openDir(fd, ".") // with an offset of its own
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), ".")
	defer f.Close()
	all, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(all))
	for _, name := range all {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			names[name] = true
		}
	}
	return names, nil
}
