package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"holdfast/internal/source"
	"holdfast/repository/tree"
	"holdfast/test/oddities"
)

func TestOdditiesAreRecorded(t *testing.T) {
	dir := t.TempDir()
	oddities.Make(t, dir)
	t.Chdir(dir)
	all := walkAll(t, Config{Paths: []string{"."}, MaxOpenDirs: 8})

	checkStates(t, dir, all)
	for path, want := range map[string]string{
		"names/dir-\xff/in it":                 "content of in it",
		"names/" + strings.Repeat("\xff", 255): "content of " + strings.Repeat("\xff", 255),
		"sizes/0":                              "",
		"deep" + deepPath() + "/bottom":        "at the bottom",
	} {
		if got, ok := all[path]; !ok || got.content != want {
			t.Errorf("content of %.40q is %q (found: %v), want %q", path, got.content, ok, want)
		}
	}
	if _, ok := all["special/socket"]; ok {
		t.Error("a socket is among the names")
	}
	for path, want := range map[string]string{
		"symlinks/raw-target": "bad-\xff-utf8",
		"symlinks/escapes":    "../../../../../../etc/shadow",
		"symlinks/longest":    strings.Repeat("./", 2047) + "x",
	} {
		if got := all[path].node.LinkTarget; got != want {
			t.Errorf("%s links to %q, want %q", path, got, want)
		}
	}
	checkAttributes(t, all)
	checkLinks(t, all)
}

func deepPath() string {
	part := "/" + strings.Repeat("d", 250)
	return strings.Repeat(part, 2*unix.PathMax/len(part)+1)
}

// checkStates compares all that package os can reach with what it says.
func checkStates(t *testing.T, dir string, all map[string]seen) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		relative, _ := filepath.Rel(dir, path)
		if err != nil || relative == "." || d.Type() == os.ModeSocket {
			return err
		}
		if len(path) > unix.PathMax-300 {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		count++
		node := all[relative].node
		if node == nil {
			t.Errorf("%q is missing", relative)
			return nil
		}
		st := info.Sys().(*syscall.Stat_t)
		if node.Mode != info.Mode() || !node.ModTime.Equal(info.ModTime()) || !node.AccessTime.Equal(info.ModTime()) ||
			node.UID != st.Uid || node.GID != st.Gid || node.Inode != st.Ino || node.Name != d.Name() {
			t.Errorf("%q is %+v, os says %+v", relative, node, info)
		}
		if info.Mode()&os.ModeDevice != 0 && node.Device != st.Rdev {
			t.Errorf("%q is device %#x, want %#x", relative, node.Device, st.Rdev)
		}
		return nil
	})
	must(t, err)
	if count < 60 {
		t.Errorf("only %d files compared", count)
	}
}

func checkAttributes(t *testing.T, all map[string]seen) {
	t.Helper()
	names := func(path string) (names []string) {
		for _, a := range all[path].node.ExtendedAttributes {
			names = append(names, a.Name)
		}
		return names
	}
	if got := names("attributes/file"); !slices.IsSorted(got) || !slices.Contains(got, "system.posix_acl_access") {
		t.Errorf("attributes of file are %q", got)
	}
	if got := names("attributes/dir"); !slices.Equal(got, []string{"system.posix_acl_default", "user.dir"}) {
		t.Errorf("attributes of dir are %q", got)
	}
	for _, a := range all["attributes/file"].node.ExtendedAttributes {
		if a.Name == "user.empty" && (a.Value == nil || len(a.Value) != 0) {
			t.Errorf("an empty value is %#v, want empty and not nil", a.Value)
		}
	}
	if os.Geteuid() == 0 && !slices.Equal(names("attributes/link"), []string{"trusted.on-link"}) {
		t.Errorf("attributes of link are %q", names("attributes/link"))
	}
}

func TestAttributeThatCannotBeStoredIsReported(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "file")
	must(t, unix.Setxattr(dir+"/file", "user.raw-\xff", []byte("x"), 0))
	must(t, unix.Setxattr(dir+"/file", "user.good", []byte("y"), 0))
	top := openTop(t, dir, Config{})
	node, err := top.Node(stat(t, top, "file"))
	if err == nil || node == nil || len(node.ExtendedAttributes) != 1 {
		t.Errorf("got %+v, %v, want the good attribute and an error", node, err)
	}
}

func checkLinks(t *testing.T, all map[string]seen) {
	t.Helper()
	for path, links := range map[string]uint64{
		"hardlinks/one": 3, "hardlinks/below/empty": 2, "hardlinks/below/link": 2, "sizes/1": 1, "special/fifo": 0, "special": 0,
	} {
		n := all[path].node
		if n.Links != links {
			t.Errorf("%s has %d links, want %d", path, n.Links, links)
		}
		keepsDevice := links != 1 && n.Type != tree.Dir
		if (n.DeviceID != 0) != keepsDevice {
			t.Errorf("%s keeps device %d, want one: %v", path, n.DeviceID, keepsDevice)
		}
	}
	a, b := all["hardlinks/one"].entry, all["hardlinks/below/three"].entry
	if !a.SameFile(&b) {
		t.Error("hard links are not the same file")
	}
}

func TestReplacedByAnotherTypeIsNeverFollowed(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(name string) error
	}{
		{"symlink to file", func(n string) error { return os.Symlink("secret", n) }},
		{"symlink to directory", func(n string) error { return os.Symlink("secrets", n) }},
		{"fifo", func(n string) error { return unix.Mkfifo(n, 0o600) }},
		{"socket", func(n string) error { return unix.Mknod(n, unix.S_IFSOCK|0o600, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, "file", "dir/", "secret", "secrets/secret")
			top := openTop(t, dir, Config{})
			file, sub := stat(t, top, "file"), stat(t, top, "dir")
			must(t, os.Remove("file"))
			must(t, os.Remove("dir"))
			must(t, c.plant("file"))
			must(t, c.plant("dir"))
			if f, err := top.Open(file); !errors.Is(err, source.ErrChanged) || f != nil {
				t.Errorf("Open gave %v, %v, want ErrChanged", f, err)
			}
			if d, err := top.Sub(sub); !errors.Is(err, source.ErrChanged) || d != nil {
				t.Errorf("Sub gave %v, %v, want ErrChanged", d, err)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		dir := t.TempDir()
		plant(t, dir, "file")
		top := openTop(t, dir, Config{})
		file := stat(t, top, "file")
		must(t, os.Remove("file"))
		must(t, os.Mkdir("file", 0o755))
		if _, err := top.Open(file); !errors.Is(err, source.ErrChanged) {
			t.Errorf("got %v, want ErrChanged", err)
		}
	})
}

func TestOpenDirectoriesAreBounded(t *testing.T) {
	const depth, limit = 60, 5
	dir := t.TempDir()
	plant(t, dir, strings.Repeat("d/", depth)+"bottom")
	d := openTop(t, dir, Config{MaxOpenDirs: limit})
	before := countDescriptors(t) - 1 // d is open
	var dirs []source.Dir
	for range depth {
		dirs = append(dirs, d)
		sub, err := d.Sub(stat(t, d, "d"))
		must(t, err)
		defer sub.Close()
		d = sub
		if open := countDescriptors(t) - before; open > limit {
			t.Fatalf("%d descriptors open, limit %d", open, limit)
		}
	}
	slices.Reverse(dirs)
	for _, d := range dirs { // each was closed meanwhile and is found again
		stat(t, d, "d")
	}
}

func TestDirectoriesAreClosedAndFoundAgainUnderConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		plant(t, dir, fmt.Sprintf("d%d/below/file", i))
	}
	top := openTop(t, dir, Config{MaxOpenDirs: 1})
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			for range 5 {
				if err := tryAll(top, map[string]bool{}, map[string]bool{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
}

func TestDirectoryMovedAwayWhileClosedIsChanged(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a/b/c/d/e/", "other/b/")
	top := openTop(t, dir, Config{MaxOpenDirs: 2})
	d := top
	var dirs []source.Dir
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		sub, err := d.Sub(stat(t, d, name))
		must(t, err)
		defer sub.Close()
		dirs, d = append(dirs, sub), sub
	}
	must(t, os.Rename("a", "gone"))
	must(t, os.Rename("other", "a"))
	if _, err := dirs[1].Stat("c"); !errors.Is(err, source.ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

func TestUnreadableIsReported(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	plant(t, dir, "closed", "shut/inside", "open")
	must(t, os.Chmod(dir+"/closed", 0))
	must(t, os.Chmod(dir+"/shut", 0))
	asNobody(t, func() error {
		// The path to the root need not be readable, only passable.
		s, err := New(Config{Paths: []string{dir}})
		if err != nil {
			return err
		}
		all, refused := map[string]bool{}, map[string]bool{}
		top, err := s.Open(context.Background())
		if err != nil {
			return err
		}
		defer top.Close()
		if err := tryAll(top, all, refused); err != nil {
			return err
		}
		if !all["open"] || !refused["closed"] || !refused["shut"] || len(refused) != 2 {
			return fmt.Errorf("read %v, refused %v", all, refused)
		}
		return nil
	})
	must(t, os.Chmod(dir+"/shut", 0o755))
}

// tryAll opens everything below d and notes the names read and refused.
func tryAll(d source.Dir, read, refused map[string]bool) error {
	names, err := d.Names(context.Background())
	if err != nil {
		return err
	}
	for _, name := range names {
		e, err := d.Stat(name)
		if err != nil {
			return err
		}
		if _, err := d.Node(e); err != nil {
			return err // metadata is readable even where content is not
		}
		if e.IsDir() {
			var sub source.Dir
			if sub, err = d.Sub(e); err == nil {
				err = tryAll(sub, read, refused)
				sub.Close()
				if err != nil {
					return err
				}
			}
		} else {
			var f source.File
			if f, err = d.Open(e); err == nil {
				f.Close()
			}
		}
		switch {
		case err == nil:
			read[name] = true
		case errors.Is(err, os.ErrPermission):
			refused[name] = true
		default:
			return err
		}
	}
	return nil
}

// asNobody runs f without root's powers: in a thread of its own that gives
// them up, and that ends with it. Without being root it just runs f.
func asNobody(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		if os.Geteuid() != 0 {
			done <- f()
			return
		}
		runtime.LockOSThread() // never unlocked: the thread is not used again
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		done <- f()
	}()
	must(t, <-done)
}

func TestStatAllocatesNothing(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "file")
	top := openTop(t, dir, Config{})
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := top.Stat("file"); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("Stat allocates %v times", allocations)
	}
}

func TestLargeDirectoryIsListedOnce(t *testing.T) {
	const count = 5000 // several buffers of entries
	dir := t.TempDir()
	for i := range count {
		plant(t, dir, fmt.Sprintf("a file with quite a long name %d", i))
	}
	top := openTop(t, dir, Config{})
	for range 2 { // a second listing starts at the beginning again
		names, err := top.Names(t.Context())
		must(t, err)
		if len(names) != count || !slices.IsSorted(names) {
			t.Fatalf("%d names, sorted: %v", len(names), slices.IsSorted(names))
		}
	}
}

func FuzzAppendNames(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x18\x00\x08name\x00"))
	f.Add([]byte("\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\xff\xff\x08name\x00"))
	f.Fuzz(func(t *testing.T, entries []byte) {
		joined, count, err := appendNames(nil, entries)
		if err != nil {
			return
		}
		names := splitNames(string(joined), count)
		if len(names) > count {
			t.Fatalf("%d names of %d", len(names), count)
		}
		for _, name := range names {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				t.Fatalf("name %q", name)
			}
		}
	})
}
