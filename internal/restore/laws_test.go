package restore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// growTree fills a folder at random.
func growTree(t *rapid.T, dir string, depth int) {
	for k := range rapid.IntRange(0, 5).Draw(t, "entries") {
		path := filepath.Join(dir, fmt.Sprint("e", k))
		var err error
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0 && depth < 3:
			if err = os.Mkdir(path, 0o755); err == nil {
				growTree(t, path, depth+1)
			}
		case kind == 1:
			err = os.Symlink(rapid.SampledFrom([]string{"e0", "nowhere", "../e1"}).Draw(t, "target"), path)
		case kind == 2 && k > 0:
			if err = os.Link(filepath.Join(dir, "e0"), path); err != nil {
				err = nil // e0 may be a folder
			}
		default:
			size := rapid.SampledFrom([]int{0, 1, 5000, 5000, 700_000}).Draw(t, "size")
			pattern := rapid.SampledFrom([]string{"abc", "\x00", "xyzt"}).Draw(t, "content")
			content := []byte(strings.Repeat(pattern, size/len(pattern)+1)[:size])
			err = os.WriteFile(path, content, fs.FileMode(rapid.SampledFrom([]int{0o644, 0o600, 0o400, 0o755}).Draw(t, "mode")))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dir, time.Time{}, time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "mtime"), 5)); err != nil {
		t.Fatal(err)
	}
}

// describe returns all that must come back, one line for each item.
func describe(t *rapid.T, dir string) string {
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%s %v %d", strings.TrimPrefix(path, dir), info.Mode(), info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			all.WriteString(" " + content(path))
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			fmt.Fprintf(&all, " %s %v", target, err)
		}
		all.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// What is restored is what was backed up, whatever was in the target before.
func TestRestoreIsInverseOfBackup(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := t.TempDir()
		src, target := filepath.Join(base, "src"), filepath.Join(base, "target")
		for _, dir := range []string{src, target} {
			if err := os.Mkdir(dir, 0o755); err != nil {
				rt.Fatal(err)
			}
			growTree(rt, dir, 0)
		}
		b := newBed(t)
		s := b.backUp(src)
		mode := rapid.SampledFrom([]Overwrite{IfChanged, Always}).Draw(rt, "mode")
		sparse := rapid.Bool().Draw(rt, "sparse")
		b.restore(s, target, func(o *Options) { o.Overwrite, o.Delete, o.Sparse, o.Verify = mode, true, sparse, true })
		if got, want := describe(rt, target), describe(rt, src); got != want {
			rt.Fatalf("restored %.2000q, want %.2000q", got, want)
		}
		if err := os.RemoveAll(base); err != nil {
			rt.Fatal(err)
		}
	})
}
