package oddities

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Kind is a group of oddities, kept in a folder of that name.
type Kind string

// The kinds of oddities.
const (
	Names      Kind = "names"
	Sizes      Kind = "sizes"
	Modes      Kind = "modes"
	Times      Kind = "times"
	Symlinks   Kind = "symlinks"
	HardLinks  Kind = "hardlinks"
	Special    Kind = "special"
	Attributes Kind = "attributes"
	// Deep paths are longer than PATH_MAX: programs that work with paths,
	// restic among them, cannot reach them.
	Deep Kind = "deep"
)

// Make fills dir, which must exist, with every kind of oddity but those in
// without. The content is the same each time.
func Make(t testing.TB, dir string, without ...Kind) {
	t.Helper()
	kinds := []struct {
		kind Kind
		make func(at string) error
	}{
		{Names, makeNames},
		{Sizes, makeSizes},
		{Modes, makeModes},
		{Times, makeTimes},
		{Symlinks, makeSymlinks},
		{HardLinks, makeHardLinks},
		{Special, makeSpecial},
		{Attributes, makeAttributes},
		{Deep, makeDeep},
	}
	for _, k := range kinds {
		if slices.Contains(without, k.kind) {
			continue
		}
		at := filepath.Join(dir, string(k.kind))
		err := os.Mkdir(at, 0o755)
		if err == nil {
			err = k.make(at)
		}
		if err != nil {
			t.Fatalf("make oddities %s: %v", k.kind, err)
		}
	}
}

func isRoot() bool { return os.Geteuid() == 0 }

// write makes a small file whose content tells its name.
func write(at, name string) error {
	return os.WriteFile(at+"/"+name, []byte("content of "+name), 0o644)
}

func makeNames(at string) error {
	names := []string{
		" ", "-", "--help", "...", "\\", "a\nb", "tab\t", "quote\"'`", "<&>", "%s%d", "*?[x]{y}", "$HOME", "#", "~",
		"\xff\xfe", "latin1-\xe9", "cut-utf8-\xe2\x82", "\x01\x7f", "\u2028", "nfc-\u00e9", "nfd-e\u0301", "\U0001f4be",
		"A", "a", "a.", "a-", "a0", "é", strings.Repeat("n", 255), strings.Repeat("\xff", 255),
	}
	for _, name := range names {
		if err := write(at, name); err != nil {
			return err
		}
	}
	odd := filepath.Join(at, "dir-\xff")
	return errors.Join(os.Mkdir(odd, 0o755), write(odd, "in it"))
}

func makeSizes(at string) error {
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, 4095, 4096, 512<<10 - 1, 512 << 10, 9<<20 + 1} {
		content := make([]byte, size)
		random.Read(content)
		if err := os.WriteFile(fmt.Sprintf("%s/%d", at, size), content, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(at+"/zeros", make([]byte, 3<<20), 0o644); err != nil {
		return err
	}
	return errors.Join(
		makeSparse(at+"/sparse", 12<<20, 5<<20),
		makeSparse(at+"/all-hole", 10<<20, -1),
	)
}

// makeSparse makes a file of one hole, with a few bytes at the offset data
// if that is not negative.
func makeSparse(path string, size, data int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if data >= 0 {
		if _, err := f.WriteAt([]byte("an island"), data); err != nil {
			return err
		}
	}
	return f.Truncate(size)
}

func makeModes(at string) error {
	for _, mode := range []uint32{0o000, 0o200, 0o400, 0o777, 0o1644, 0o2755, 0o4755, 0o7777} {
		name := fmt.Sprintf("file-%04o", mode)
		if err := errors.Join(write(at, name), unix.Chmod(at+"/"+name, mode)); err != nil {
			return err
		}
	}
	for _, mode := range []uint32{0o555, 0o700, 0o1777, 0o2775} {
		path := fmt.Sprintf("%s/dir-%04o", at, mode)
		if err := errors.Join(os.Mkdir(path, 0o755), unix.Chmod(path, mode)); err != nil {
			return err
		}
	}
	if !isRoot() {
		return nil
	}
	return errors.Join(
		write(at, "unknown-owner"), os.Chown(at+"/unknown-owner", 4_242_424, 4_242_425),
		write(at, "foreign-owner"), os.Chown(at+"/foreign-owner", 65534, 1),
	)
}

func makeTimes(at string) error {
	times := map[string]time.Time{
		"epoch":       time.Unix(0, 0),
		"before-1970": time.Date(1931, 5, 1, 12, 0, 0, 0, time.UTC),
		"nanoseconds": time.Unix(1_500_000_000, 123_456_789),
		"after-2038":  time.Date(2150, 1, 1, 0, 0, 0, 999_999_999, time.UTC),
		"after-2262":  time.Date(2400, 1, 1, 0, 0, 0, 1, time.UTC),
	}
	for name, at2 := range times {
		if err := errors.Join(write(at, name), setTime(at+"/"+name, at2)); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Mkdir(at+"/dir", 0o755), os.Symlink("x", at+"/link")); err != nil {
		return err
	}
	return errors.Join(
		setTime(at+"/dir", time.Unix(1_000_000_000, 1)),
		setTime(at+"/link", time.Unix(1_100_000_000, 2)),
	)
}

// setTime sets both times of a file, of a symlink itself too. os.Chtimes
// knows neither symlinks nor times past 2262.
func setTime(path string, to time.Time) error {
	ts, err := unix.TimeToTimespec(to)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

func makeSymlinks(at string) error {
	links := map[string]string{
		"dangling":     "nowhere",
		"to-file":      "target",
		"to-dir":       "../sizes",
		"to-self":      "to-self",
		"absolute":     "/etc/passwd",
		"raw-target":   "bad-\xff-utf8",
		"spaces":       " a \n b ",
		"escapes":      "../../../../../../etc/shadow",
		"longest":      strings.Repeat("./", 2047) + "x",
		"name-\xfe":    "target",
		"trailing":     "target/",
		"html<&>chars": "<&>",
	}
	for name, target := range links {
		if err := os.Symlink(target, at+"/"+name); err != nil {
			return err
		}
	}
	if !isRoot() {
		return write(at, "target")
	}
	return errors.Join(write(at, "target"), os.Lchown(at+"/dangling", 1234, 5678))
}

func makeHardLinks(at string) error {
	err := errors.Join(
		write(at, "one"), os.Mkdir(at+"/below", 0o755),
		os.Link(at+"/one", at+"/two"), os.Link(at+"/one", at+"/below/three"),
		os.WriteFile(at+"/empty", nil, 0o600), os.Link(at+"/empty", at+"/below/empty"),
		os.Symlink("one", at+"/link"), os.Link(at+"/link", at+"/below/link"),
	)
	if err != nil || !isRoot() {
		return err
	}
	return errors.Join(
		unix.Mknod(at+"/null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))),
		os.Link(at+"/null", at+"/below/null"),
	)
}

func makeSpecial(at string) error {
	err := errors.Join(
		os.Mkdir(at+"/empty-dir", 0o755),
		unix.Mkfifo(at+"/fifo", 0o640),
		unix.Mknod(at+"/socket", unix.S_IFSOCK|0o600, 0),
	)
	if err != nil || !isRoot() {
		return err
	}
	return errors.Join(
		unix.Mknod(at+"/char", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Mknod(at+"/block", unix.S_IFBLK|0o660, int(unix.Mkdev(7, 200))),
		unix.Mknod(at+"/large-minor", unix.S_IFBLK|0o600, int(unix.Mkdev(259, 70_000))),
	)
}

func makeAttributes(at string) error {
	if err := errors.Join(write(at, "file"), os.Mkdir(at+"/dir", 0o755), os.Symlink("file", at+"/link")); err != nil {
		return err
	}
	type attribute struct {
		file, name string
		value      []byte
	}
	all := []attribute{
		{"file", "user.text", []byte("value")},
		{"file", "user.empty", []byte{}},
		{"file", "user.binary", []byte("\x00\xff\x00")},
		{"file", "user.long", bytes.Repeat([]byte("0123456789"), 200)},
		{"file", "system.posix_acl_access", acl(0o6, 0o7)},
		{"dir", "user.dir", []byte("on a directory")},
		{"dir", "system.posix_acl_default", acl(0o7, 0o5)},
	}
	if isRoot() {
		capNetBind := binary.LittleEndian.AppendUint32(nil, 0x02000001) // VFS_CAP_REVISION_2, effective
		capNetBind = append(capNetBind, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		all = append(all,
			attribute{"link", "trusted.on-link", []byte("the link's own")},
			attribute{"file", "trusted.secret", []byte("root's")},
			attribute{"file", "security.capability", capNetBind},
		)
	}
	for _, a := range all {
		err := unix.Lsetxattr(at+"/"+a.file, a.name, a.value, 0)
		if err != nil && err != unix.ENOTSUP { // tmpfs before Linux 6.6 has no user.*
			return fmt.Errorf("set %s of %s: %w", a.name, a.file, err)
		}
	}
	return nil
}

// acl returns a POSIX ACL as the kernel stores it (linux/posix_acl_xattr.h):
// the usual three, user 4321 with the first permissions, and a mask.
func acl(user, mask uint16) []byte {
	const nobody = ^uint32(0)
	entries := []struct {
		tag, perm uint16
		id        uint32
	}{{0x01, 6, nobody}, {0x02, user, 4321}, {0x04, 4, nobody}, {0x10, mask, nobody}, {0x20, 4, nobody}}
	b := binary.LittleEndian.AppendUint32(nil, 2) // version
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// makeDeep makes directories in one another until the path of the last is
// longer than any path the kernel takes, with a file in it.
func makeDeep(at string) error {
	fd, err := unix.Open(at, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { unix.Close(fd) }()
	name := strings.Repeat("d", 250)
	for length := 0; length <= 2*unix.PathMax; length += len(name) + 1 {
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			return err
		}
		next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		unix.Close(fd)
		fd = next
	}
	file, err := unix.Openat(fd, "bottom", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(file), "bottom")
	_, err = f.WriteString("at the bottom")
	return errors.Join(err, f.Close())
}
