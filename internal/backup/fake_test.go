package backup

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// long is when the files of fakes were last changed: long before any backup.
var long = source.TimeOf(time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC))

// fake is a source in memory whose every answer can be made to go wrong.
type fake struct {
	root *fakeNode

	inodes uint64
	read   atomic.Int64 // bytes
	opened atomic.Int64 // files
	// before, if set, is called before each use of a path; its error is
	// returned.
	before func(op, path string) error
	open   atomic.Int64 // directories and files that are open
}

// fakeNode is a file, or a folder if children is not nil.
type fakeNode struct {
	entry    source.Entry
	content  []byte
	children map[string]*fakeNode
	// changes tells that the file changes while it is read.
	changes bool
	target  string // of a symlink
}

func newFake() *fake { return &fake{root: &fakeNode{children: map[string]*fakeNode{}}} }

func (s *fake) entry(mode os.FileMode, size int64) source.Entry {
	s.inodes++
	return source.Entry{Mode: mode, Size: size, ModTime: long, ChangeTime: long, AccessTime: long, Inode: s.inodes, DeviceID: 5, Links: 1}
}

// at returns the folder that a path is in, made where needed, and its name.
func (s *fake) at(path string) (*fakeNode, string) {
	dir, name := s.root, ""
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' }) {
		if name != "" {
			next := dir.children[name]
			if next == nil {
				next = &fakeNode{entry: s.entry(os.ModeDir|0o755, 0), children: map[string]*fakeNode{}}
				dir.children[name] = next
			}
			dir = next
		}
		name = part
	}
	return dir, name
}

// file makes or replaces a file.
func (s *fake) file(path string, content []byte) *fakeNode {
	dir, name := s.at(path)
	n := &fakeNode{entry: s.entry(0o644, int64(len(content))), content: content}
	dir.children[name] = n
	return n
}

func (s *fake) symlink(path, target string) {
	dir, name := s.at(path)
	dir.children[name] = &fakeNode{entry: s.entry(os.ModeSymlink|0o777, 0), target: target}
}

// dir makes an empty folder.
func (s *fake) dir(path string) { s.at(path + "/.") }

func (s *fake) get(path string) *fakeNode {
	dir, name := s.at(path)
	return dir.children[name]
}

func (s *fake) remove(path string) {
	dir, name := s.at(path)
	delete(dir.children, name)
}

func (s *fake) check(op, path string) error {
	if s.before == nil {
		return nil
	}
	return s.before(op, path)
}

func (s *fake) Open(context.Context) (source.Dir, error) {
	if err := s.check("open", "/"); err != nil {
		return nil, err
	}
	s.open.Add(1)
	return &fakeDir{s: s, n: s.root, path: "/"}, nil
}

type fakeDir struct {
	s          *fake
	n          *fakeNode
	path, name string
}

func (d *fakeDir) Path() string { return d.path }

func (d *fakeDir) PathOf(name string) string { return strings.TrimSuffix(d.path, "/") + "/" + name }

func (d *fakeDir) Entry() source.Entry {
	e := d.n.entry
	e.Name = d.name
	return e
}

func (d *fakeDir) Names(ctx context.Context) ([]string, error) {
	if err := d.s.check("list", d.path); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(d.n.children)), ctx.Err()
}

func (d *fakeDir) child(op, name string) (*fakeNode, error) {
	if err := d.s.check(op, d.PathOf(name)); err != nil {
		return nil, err
	}
	n := d.n.children[name]
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: d.PathOf(name), Err: fs.ErrNotExist}
	}
	return n, nil
}

func (d *fakeDir) Stat(name string) (source.Entry, error) {
	n, err := d.child("stat", name)
	if err != nil {
		return source.Entry{}, err
	}
	e := n.entry
	e.Name = name
	return e, nil
}

func (d *fakeDir) Open(e source.Entry) (source.File, error) {
	n, err := d.child("read", e.Name)
	if err != nil {
		return nil, err
	}
	d.s.open.Add(1)
	d.s.opened.Add(1)
	e.Size = n.entry.Size
	return &fakeFile{d: d, n: n, r: bytes.NewReader(n.content), entry: e}, nil
}

func (d *fakeDir) Sub(e source.Entry) (source.Dir, error) {
	n, err := d.child("sub", e.Name)
	if err != nil {
		return nil, err
	}
	d.s.open.Add(1)
	return &fakeDir{s: d.s, n: n, path: d.PathOf(e.Name), name: e.Name}, nil
}

func (d *fakeDir) Node(e source.Entry) (*tree.Node, error) {
	n, err := d.child("node", e.Name)
	if n == nil {
		return nil, err
	}
	node := fakeNodeOf(e.Name, n)
	return node, err
}

func (d *fakeDir) Close() error {
	d.s.open.Add(-1)
	return nil
}

func fakeNodeOf(name string, n *fakeNode) *tree.Node {
	e := n.entry
	node := &tree.Node{
		Name: name, Type: e.Type(), Mode: e.Mode, UID: e.UID, GID: e.GID, Inode: e.Inode,
		ModTime: e.ModTime.Time(), AccessTime: e.AccessTime.Time(), ChangeTime: e.ChangeTime.Time(), LinkTarget: n.target,
	}
	if e.IsRegular() {
		node.Size, node.Links = uint64(e.Size), e.Links
		if e.Links > 1 {
			node.DeviceID = e.DeviceID
		}
	}
	return node
}

type fakeFile struct {
	d     *fakeDir
	n     *fakeNode
	r     io.Reader
	entry source.Entry
}

func (f *fakeFile) Read(p []byte) (int, error) {
	if err := f.d.s.check("bytes", f.d.PathOf(f.entry.Name)); err != nil {
		return 0, err
	}
	n, err := f.r.Read(p[:min(len(p), 64<<10)])
	f.d.s.read.Add(int64(n))
	return n, err
}

func (f *fakeFile) Entry() source.Entry { return f.entry }

func (f *fakeFile) Node() (*tree.Node, error) { return fakeNodeOf(f.entry.Name, f.n), nil }

func (f *fakeFile) Check() error {
	if f.n.changes {
		return source.ErrChanged
	}
	return nil
}

func (f *fakeFile) Close() error {
	f.d.s.open.Add(-1)
	return nil
}

// wantClosed fails the test if a backup left something open.
func (s *fake) wantClosed(t testing.TB) {
	t.Helper()
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d files or folders are still open", n)
	}
}
