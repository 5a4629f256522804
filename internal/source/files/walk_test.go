package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// seen is what a walk finds at one path of the snapshot.
type seen struct {
	entry   source.Entry
	node    *tree.Node
	content string
}

// walkAll walks a source as a backup does, and returns everything by its
// path in the snapshot, such as "a/b".
func walkAll(t *testing.T, cfg Config) map[string]seen {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	top, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	all := make(map[string]seen)
	if err := walk(t, top, "", all); err != nil {
		t.Fatal(err)
	}
	return all
}

func walk(t *testing.T, d source.Dir, at string, all map[string]seen) error {
	names, err := d.Names(t.Context())
	if err != nil {
		return err
	}
	for _, name := range names {
		e, err := d.Stat(name)
		if errors.Is(err, source.ErrExcluded) {
			continue
		}
		if err == nil {
			err = visit(t, d, e, at+name, all)
		}
		if err != nil && !errors.Is(err, source.ErrExcluded) {
			return fmt.Errorf("%q: %w", at+name, err)
		}
	}
	return nil
}

func visit(t *testing.T, d source.Dir, e source.Entry, at string, all map[string]seen) error {
	node, err := d.Node(e)
	if err != nil {
		return err
	}
	found := seen{entry: e, node: node}
	switch e.Type() {
	case tree.File:
		if found.content, err = readThrough(d, e); err != nil {
			return err
		}
	case tree.Dir:
		sub, err := d.Sub(e)
		if err != nil {
			return err
		}
		defer sub.Close()
		if sub.Entry().Name != e.Name {
			t.Errorf("%q: open directory is called %q", at, sub.Entry().Name)
		}
		if err := walk(t, sub, at+"/", all); err != nil {
			return err
		}
	}
	all[at] = found
	return nil
}

func readThrough(d source.Dir, e source.Entry) (string, error) {
	f, err := d.Open(e)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.Entry() != e {
		return "", fmt.Errorf("open file is %+v, listed %+v", f.Entry(), e)
	}
	content, err := io.ReadAll(f)
	return string(content), errors.Join(err, f.Check())
}

// openTop opens a single directory as a source whose top it is.
func openTop(t *testing.T, dir string, cfg Config) source.Dir {
	t.Helper()
	t.Chdir(dir)
	cfg.Paths = []string{"."}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	top, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { top.Close() })
	return top
}

// plant makes files and directories (names ending in "/") below dir.
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		parent := filepath.Dir(path)
		if name[len(name)-1] == '/' {
			parent = path
		}
		must(t, os.MkdirAll(parent, 0o755))
		if parent != path {
			must(t, os.WriteFile(path, []byte("content of "+name), 0o644))
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func stat(t *testing.T, d source.Dir, name string) source.Entry {
	t.Helper()
	e, err := d.Stat(name)
	must(t, err)
	return e
}

func TestVanishedNameIsNotExist(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "file", "dir/")
	top := openTop(t, dir, Config{})
	file, sub := stat(t, top, "file"), stat(t, top, "dir")
	must(t, os.Remove("file"))
	must(t, os.Remove("dir"))
	_, statErr := top.Stat("file")
	_, openErr := top.Open(file)
	_, subErr := top.Sub(sub)
	for _, err := range []error{statErr, openErr, subErr} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want fs.ErrNotExist", err)
		}
	}
}

func TestMissingRootIsReportedByStat(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Config{Paths: []string{filepath.Join(dir, "missing")}})
	must(t, err)
	d, err := s.Open(t.Context())
	must(t, err)
	for { // down the single name of each directory to the root
		names, err := d.Names(t.Context())
		must(t, err)
		e, err := d.Stat(names[0])
		if names[0] == "missing" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v, want fs.ErrNotExist", err)
			}
			return
		}
		must(t, err)
		d, err = d.Sub(e)
		must(t, err)
		defer d.Close()
	}
}

func TestFileChangedWhileRead(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "file")
	top := openTop(t, dir, Config{})
	f, err := top.Open(stat(t, top, "file"))
	must(t, err)
	defer f.Close()
	if err := f.Check(); err != nil {
		t.Errorf("untouched: %v", err)
	}
	must(t, os.WriteFile("file", []byte("longer than it was before"), 0o644))
	if err := f.Check(); !errors.Is(err, source.ErrChanged) {
		t.Errorf("rewritten: got %v, want ErrChanged", err)
	}
}

func TestReplacedFileIsReadAsItIsNow(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "file", "new")
	top := openTop(t, dir, Config{})
	old := stat(t, top, "file")
	must(t, os.Rename("new", "file"))
	f, err := top.Open(old)
	must(t, err)
	defer f.Close()
	content, err := io.ReadAll(f)
	must(t, err)
	node, err := f.Node()
	must(t, err)
	e := f.Entry()
	if string(content) != "content of new" || e.SameFile(&old) || node.Inode != e.Inode {
		t.Errorf("read %q of %+v, node %+v", content, e, node)
	}
}
