package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// dir is a directory of the file system, seen through the rules.
type dir struct {
	src  *Source
	h    *handle
	path string // absolute, for patterns
	// written is the path as the user wrote it, for messages.
	written string
	// name is what the parent calls the directory in the snapshot.
	name string
	// device is where the root above is, for rules that stay on it.
	device uint64
	// leadsToRoot marks the parent of a root: it is passed, not backed up.
	leadsToRoot bool
	// mountPoint marks a directory of another device: kept, but empty.
	mountPoint bool
}

var (
	_ source.Dir  = (*dir)(nil)
	_ source.File = (*file)(nil)
)

// openRoot opens the directory at path, following symlinks, as a root that
// is called name in the snapshot.
func (s *Source) openRoot(path, name string) (*dir, error) {
	d, err := s.openPath(path, forListing)
	if err != nil {
		return nil, err
	}
	d.name, d.device = name, d.h.entry.DeviceID
	return d, nil
}

// openParent opens the directory that a root is in, which need not be
// readable: it is enough that it can be passed.
func (s *Source) openParent(path string) (*dir, error) {
	d, err := s.openPath(path, forPassing)
	if err != nil {
		return nil, err
	}
	d.leadsToRoot = true
	return d, nil
}

func (s *Source) openPath(path string, purpose purpose) (*dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, pathError("find directory", path, err)
	}
	h, err := s.sys.openPath(path, purpose)
	if err != nil {
		return nil, pathError("open directory", path, err)
	}
	return &dir{src: s, h: h, path: absolute, written: path}, nil
}

func (d *dir) Path() string { return d.written }

func (d *dir) PathOf(name string) string { return joinPath(d.written, name) }

func (d *dir) Entry() source.Entry {
	e := d.h.entry
	e.Name = d.name
	return e
}

func (d *dir) Names(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil || d.mountPoint {
		return nil, err
	}
	names, err := d.h.list()
	if err != nil {
		return nil, pathError("list directory", d.written, err)
	}
	return d.filter(names), nil
}

func (d *dir) Stat(name string) (source.Entry, error) {
	e, err := d.h.lstat(name)
	if err != nil {
		return e, pathError("stat", d.PathOf(name), err)
	}
	if why := d.excludes(&e); why != "" {
		d.src.excluded(d.PathOf(name), why)
		return e, source.ErrExcluded
	}
	return e, nil
}

func (d *dir) Open(e source.Entry) (source.File, error) {
	f, err := d.open(e.Name, e.UID)
	if err != nil {
		return nil, err // not f: a nil *file is no nil File
	}
	return f, nil
}

func (d *dir) open(name string, uid uint32) (*file, error) {
	r, err := d.h.openFile(name, uid)
	if err != nil {
		return nil, pathError("open", d.PathOf(name), err)
	}
	if !r.entry.IsRegular() {
		r.close()
		return nil, fmt.Errorf("open %s: no longer a regular file: %w", d.PathOf(name), source.ErrChanged)
	}
	r.expect(r.entry.Size)
	return &file{dir: d, r: r, entry: r.entry}, nil
}

func (d *dir) Sub(e source.Entry) (source.Dir, error) {
	sub, err := d.sub(e.Name)
	if err != nil {
		return nil, err
	}
	return sub, nil
}

func (d *dir) sub(name string) (*dir, error) {
	path, written := d.join(name)
	h, err := d.h.openDir(name)
	if err != nil {
		return nil, pathError("open directory", written, err)
	}
	if d.src.rules.forbids(&h.entry) {
		h.close()
		d.src.excluded(written, whyForbidden)
		return nil, source.ErrExcluded
	}
	sub := &dir{src: d.src, h: h, path: path, written: written, name: name, device: h.entry.DeviceID}
	if !d.leadsToRoot {
		sub.stayOn(d.device)
	}
	return sub, nil
}

// stayOn says which device the root above d is on.
func (d *dir) stayOn(device uint64) {
	d.device = device
	d.mountPoint = d.src.rules.OneFileSystem && d.h.entry.DeviceID != device
}

func (d *dir) Node(e source.Entry) (*tree.Node, error) {
	if e.Type() == "" {
		return nil, fmt.Errorf("record %s: no snapshot can hold a file of mode %v", d.PathOf(e.Name), e.Mode)
	}
	node := d.src.node(&e)
	var linkErr, attrErr error
	if node.Type == tree.Symlink {
		node.LinkTarget, linkErr = d.h.readlink(e.Name)
	}
	node.ExtendedAttributes, attrErr = d.h.attributes(e.Name)
	if err := errors.Join(linkErr, attrErr); err != nil {
		return node, pathError("read metadata of", d.PathOf(e.Name), err)
	}
	return node, nil
}

func (d *dir) Close() error { return d.h.close() }

// join returns the absolute path of a name and the one for messages, which
// share their memory when they are the same.
func (d *dir) join(name string) (absolute, written string) {
	absolute = joinPath(d.path, name)
	if d.written == d.path {
		return absolute, absolute
	}
	return absolute, joinPath(d.written, name)
}

// joinPath returns the path of a name in a directory. Paths are for messages
// and patterns; files are reached by name from the open directory.
func joinPath(dir, name string) string {
	switch {
	case dir == ".":
		return name
	case os.IsPathSeparator(dir[len(dir)-1]):
		return dir + name
	}
	return dir + string(os.PathSeparator) + name
}

// file is an open regular file.
type file struct {
	dir   *dir
	r     *reader
	entry source.Entry
}

func (f *file) Read(p []byte) (int, error) { return f.r.Read(p) }

func (f *file) Entry() source.Entry { return f.entry }

func (f *file) Node() (*tree.Node, error) {
	node := f.dir.src.node(&f.entry)
	var err error
	if node.ExtendedAttributes, err = f.r.attributes(); err != nil {
		return node, pathError("read metadata of", f.dir.PathOf(f.r.entry.Name), err)
	}
	return node, nil
}

func (f *file) Check() error {
	now, err := f.r.stat()
	if err != nil {
		return pathError("stat", f.dir.PathOf(f.r.entry.Name), err)
	}
	was := &f.r.entry
	if now.Size != was.Size || now.ModTime != was.ModTime || now.ChangeTime != was.ChangeTime {
		return fmt.Errorf("read %s: %w", f.dir.PathOf(was.Name), source.ErrChanged)
	}
	return nil
}

func (f *file) Close() error { return f.r.close() }
