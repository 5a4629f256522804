//go:build unix

package unit

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// visit calls f for all folders and plain files of a folder. Links are not
// followed, other file systems not entered, and files with a second name, which
// may be somebody's elsewhere, left out.
func visit(dir string, f func(root *os.Root, name string, s *syscall.Stat_t) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var device uint64
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since: somebody works here
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		switch {
		case !ok:
			return errors.ErrUnsupported
		case name == ".":
			device = uint64(s.Dev) //nolint:gosec,unconvert // other systems have other types
		case uint64(s.Dev) != device: //nolint:gosec,unconvert // see above
			return fs.SkipDir
		}
		if !d.IsDir() && (!d.Type().IsRegular() || s.Nlink > 1) {
			return nil
		}
		return f(root, name, s)
	})
}

// countForeign counts what in a folder belongs to another user.
func countForeign(dir string, id ids) (count int, err error) {
	err = visit(dir, func(_ *os.Root, _ string, s *syscall.Stat_t) error {
		if int(s.Uid) != id.uid {
			count++
		}
		return nil
	})
	return count, err
}

// give gives all of a folder to a user.
func give(dir string, id ids) error {
	return visit(dir, func(root *os.Root, name string, s *syscall.Stat_t) error {
		if int(s.Uid) == id.uid {
			return nil
		}
		if err := root.Lchown(name, id.uid, id.gid); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// may tells whether a user has rights, as bits of rwx, to a file or folder, as
// far as its permissions say.
func may(path string, id ids, rights fs.FileMode) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false, errors.ErrUnsupported
	}
	has := info.Mode().Perm()
	switch {
	case int(s.Uid) == id.uid:
		has >>= 6
	case int(s.Gid) == id.gid:
		has >>= 3
	}
	return has&rights == rights, nil
}
