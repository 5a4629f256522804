//go:build !linux

package restore

import (
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/repository/tree"
)

// dirHandle is an open folder of the target: an os.Root, out of which no
// operation leads.
type dirHandle struct {
	root *os.Root
	// top is the target, and path leads from there to the folder.
	top  *os.Root
	path string
}

var noDir dirHandle

// openTarget opens the folder to restore to, which the user named.
func openTarget(path string) (dirHandle, error) {
	root, err := os.OpenRoot(path)
	return dirHandle{root, root, "."}, err
}

// asTarget is the same folder as the target.
func (d dirHandle) asTarget() dirHandle { return dirHandle{d.root, d.root, "."} }

func (d dirHandle) close() { d.root.Close() } //nolint:errcheck // folders have nothing to write out

func (d dirHandle) state() (state, error) { return d.lstat(".") }

func (d dirHandle) lstat(name string) (state, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return state{}, err
	}
	return stateOf(info), nil
}

// names lists the folder.
func (d dirHandle) names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return f.Readdirnames(-1)
}

func (d dirHandle) makeFolder(name string) error { return d.root.Mkdir(name, 0o700) }

// openFolder opens a subfolder. os.Root follows symlinks as long as they stay
// inside, so what was opened must be what the name itself stands for.
func (d dirHandle) openFolder(name string, widen bool) (dirHandle, error) {
	before, err := d.root.Lstat(name)
	if err != nil {
		return noDir, err
	}
	if !before.IsDir() {
		return noDir, errReplaced
	}
	if widen && before.Mode().Perm()&0o700 != 0o700 {
		d.root.Chmod(name, before.Mode().Perm()|0o700) //nolint:errcheck // opening tells
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return noDir, err
	}
	after, err := root.Lstat(".")
	if err == nil && !os.SameFile(before, after) {
		err = errReplaced
	}
	if err != nil {
		root.Close() //nolint:errcheck // it was not used
		return noDir, err
	}
	return dirHandle{root, d.top, filepath.Join(d.path, name)}, nil
}

func (d dirHandle) admit(mode fs.FileMode) error { return d.root.Chmod(".", mode.Perm()|0o700) }

// inherits errs on the safe side: each file is asked what it got.
func (d dirHandle) inherits() bool { return true }

func (d dirHandle) create(name string, perm fs.FileMode) (fileHandle, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm.Perm())
	return fileHandle{f}, err
}

// open opens a regular file that exists.
func (d dirHandle) open(name string, write bool) (fileHandle, error) {
	before, err := d.root.Lstat(name)
	if err != nil {
		return noFile, err
	}
	if !before.Mode().IsRegular() {
		return noFile, errReplaced
	}
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR
	}
	f, err := d.root.OpenFile(name, flags, 0)
	return fileHandle{f}, err
}

func (d dirHandle) readlink(name string) (string, error) { return d.root.Readlink(name) }

func (d dirHandle) symlink(target, name string) error { return d.root.Symlink(target, name) }

// rename gives an entry another name in the same folder; what has that name
// already is replaced.
func (d dirHandle) rename(from, to string) error { return d.root.Rename(from, to) }

// link makes a second name for a file. Two folders cannot be named by their
// handles here, so both names are given from the target on.
func (d dirHandle) link(name string, from dirHandle, fromName string) error {
	return d.top.Link(filepath.Join(from.path, fromName), filepath.Join(d.path, name))
}

// special makes nothing: devices and fifos are restored on Linux only.
func (d dirHandle) special(name string, n *tree.Node) error {
	return &fs.PathError{Op: "make " + string(n.Type), Path: name, Err: errSpecial}
}

func (d dirHandle) remove(name string, _ bool) error { return d.root.Remove(name) }
