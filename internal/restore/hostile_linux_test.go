package restore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/internal/snapfs"
	"holdfast/repository/tree"
)

// Nodes that would lead out of the target are named and left out, and the
// rest is restored.
func TestHostileTrees(t *testing.T) {
	b := newBed(t)
	around := t.TempDir()
	target := filepath.Join(around, "target")
	s := b.make(
		fileOf("..", "x"), fileOf("../outside", "x"), fileOf("", "x"), fileOf(".", "x"), fileOf("a/b", "x"),
		fileOf("nul\x00", "x"), fileOf("/tmp/absolute", "x"),
		linkOf("twice", around), dirOf("twice", fileOf("outside", "x")),
		dirOf("..", fileOf("outside", "x")),
		node{Node: tree.Node{Name: "odd", Type: "door"}},
		fileOf("good", "fine"),
	)
	out := b.restoreSome(s, target)
	if got := len(out.problems); got != 9 { // two of them of the name ".."
		t.Errorf("%d problems: %v", got, out.problems)
	}
	if content(target+"/good") != "fine" {
		t.Error("the good file is missing")
	}
	if got := lists(t, around); !slices.Equal(got, []string{"target"}) {
		t.Errorf("outside there is %q", got)
	}
	if got := lists(t, target); !slices.Equal(got, []string{"good", "twice"}) {
		t.Errorf("in the target there is %q", got)
	}
}

// Somebody exchanges folders and files of the target for symlinks to the
// outside, all the time, while a restore runs.
func TestSymlinkRaces(t *testing.T) {
	b := newBed(t)
	var nodes []node
	for _, name := range []string{"a", "b", "c", "d"} {
		var files []node
		for _, f := range []string{"1", "2", "3", "4", "5", "6"} {
			n := fileOf(f, "one"+name+f, "two"+name+f)
			n.Mode = 0o666
			files = append(files, n, linkOf(f+"link", "nowhere"))
		}
		nodes = append(nodes, dirOf(name, append(files, dirOf("sub", fileOf("f", "x"+name)))...))
	}
	s := b.make(nodes...)
	outside, target := t.TempDir(), t.TempDir()
	for _, name := range []string{"1", "2", "sub/f", "1link"} {
		put(t, outside+"/"+name, "precious")
		if err := os.Chmod(outside+"/"+name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := snapshotOf(t, outside)
	stop := make(chan struct{})
	var attack sync.WaitGroup
	attack.Go(func() {
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			default:
			}
			name := []string{"a", "b", "c", "d", "a/1", "b/2", "c/1link", "d/sub", "a/sub/f"}[k%9]
			os.Rename(target+"/"+name, target+"/moved")
			os.Symlink(filepath.Join(outside, strings.TrimPrefix(name[1:], "/")), target+"/"+name)
			os.Remove(target + "/" + name)
			os.Rename(target+"/moved", target+"/"+name)
		}
	})
	for k := range 12 {
		mode := overwriteModes[k%2]
		b.try(t.Context(), s, target, func(o *Options) {
			o.Overwrite, o.Delete, o.Verify, o.OnItem = mode, k%3 == 0, true, nil
		})
	}
	close(stop)
	attack.Wait()
	if after := snapshotOf(t, outside); after != before {
		t.Errorf("outside the target:\n%s\nbefore:\n%s", after, before)
	}
}

// snapshotOf describes all files of a folder.
func snapshotOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		all.WriteString(strings.TrimPrefix(path, dir) + " " + info.Mode().String() + " " + info.ModTime().String())
		if info.Mode().IsRegular() {
			all.WriteString(" " + content(path))
		}
		all.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// A fifo in the place of a file neither blocks the restore nor is written to.
func TestFifoInTheWay(t *testing.T) {
	b := newBed(t)
	s := b.make(fileOf("f", "one", "two"))
	target := t.TempDir()
	if err := unix.Mkfifo(target+"/f", 0o600); err != nil {
		t.Fatal(err)
	}
	b.restore(s, target, func(o *Options) { o.Verify = true })
	if content(target+"/f") != "onetwo" {
		t.Error("wrong content")
	}
}

func TestSubfolderIsNoFolder(t *testing.T) {
	b := newBed(t)
	s := b.make(fileOf("f", "x"))
	for path, want := range map[string]error{"/f": snapfs.ErrNotFolder, "/nowhere": os.ErrNotExist} {
		_, err := b.try(t.Context(), s, t.TempDir(), func(o *Options) { o.Subfolder = path })
		if !isError(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}
