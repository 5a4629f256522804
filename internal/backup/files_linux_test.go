package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/snapfs"
	"holdfast/internal/source/files"
	"holdfast/repository/id"
	"holdfast/repository/tree"
	"holdfast/storage/local"
	"holdfast/test/oddities"
)

func newFiles(t *testing.T, cfg files.Config) *files.Source {
	t.Helper()
	src, err := files.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// A folder of everything a file system can hold, in a repository on disk.
func TestOddities(t *testing.T) {
	dir := t.TempDir()
	oddities.Make(t, dir)
	store, err := local.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := newBedIn(t, store)
	src := newFiles(t, files.Config{Paths: []string{dir}})
	first := b.run(src)
	for path, err := range b.problems {
		t.Logf("%s: %v", path, err)
	}
	want := b.treeAt(first.Snapshot.Tree, dir)
	if second := b.run(src, full); b.treeAt(second.Snapshot.Tree, dir) != want {
		t.Error("a full backup makes another tree")
	}
	if third := b.run(src); b.treeAt(third.Snapshot.Tree, dir) != want {
		t.Error("an incremental backup makes another tree")
	}
	wantFiles(t, b, first.Snapshot.Tree, dir)
}

// wantFiles compares names and content with what is on disk; the end-to-end
// tests compare the rest after a restore.
func wantFiles(t *testing.T, b *bed, root id.ID, dir string) {
	t.Helper()
	r := b.open()
	defer r.Close()
	f, err := snapfs.Open(t.Context(), r, root)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = f.Walk(t.Context(), "/", f.Root(), func(path string, n *tree.Node, err error) error {
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		if len(path) > 4000 || !strings.HasPrefix(path, dir) { // beyond what a path can reach
			return nil
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		seen++
		if n.Mode != tree.StoredMode(info.Mode()) || !n.ModTime.Equal(info.ModTime()) || n.Type == tree.File && int64(n.Size) != info.Size() {
			t.Errorf("%s is %+v, want %+v", path, n, info)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 80 {
		t.Errorf("only %d files were compared", seen)
	}
}

func TestExcludes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"keep", "skip.tmp", "sub/keep", "sub/skip.tmp"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := newBed(t)
	receipt := b.clean(newFiles(t, files.Config{Paths: []string{dir}, Rules: files.Rules{Patterns: []files.Matcher{suffix(".tmp")}}}))
	if n := receipt.Snapshot.Summary.FilesNew; n != 2 {
		t.Errorf("%d files, want 2", n)
	}
}

type suffix string

func (s suffix) Match(path string) bool { return filepath.Ext(path) == string(s) }
func (suffix) Empty() bool              { return false }

func TestScan(t *testing.T) {
	dir := t.TempDir()
	oddities.Make(t, dir)
	src := newFiles(t, files.Config{Paths: []string{dir}})
	var scanned, bytes uint64
	if err := Scan(t.Context(), src, func(n int64) { scanned++; bytes += uint64(n) }); err != nil {
		t.Fatal(err)
	}
	sum := newBed(t).run(src, dry).Snapshot.Summary
	if scanned != sum.TotalFilesProcessed || bytes != sum.TotalBytesProcessed {
		t.Errorf("scanned %d files, %d bytes; the backup has %d, %d", scanned, bytes, sum.TotalFilesProcessed, sum.TotalBytesProcessed)
	}
}
