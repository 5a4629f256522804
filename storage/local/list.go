package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/storage"
	"holdfast/storage/internal/temporary"
)

// List walks the folders below prefix; see storage.Store. Files that are no
// objects (temporary ones, devices, names that no key can have) are skipped.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	w := walk{ctx: ctx, object: func(key, path string, e fs.DirEntry) error {
		info, err := stat(path, e)
		if err != nil || !info.Mode().IsRegular() || storage.CheckKey(key) != nil {
			return ignoreNotFound(err)
		}
		return visit(storage.Info{Key: key, SizeBytes: info.Size(), Stored: info.ModTime()})
	}}
	return s.walk(w, prefix)
}

// walk visits files: objects, and temporary files if temporary is not nil.
type walk struct {
	ctx       context.Context // of the one call this walk serves
	object    func(key, path string, e fs.DirEntry) error
	temporary func(path string, e fs.DirEntry) error
}

// walk runs w on the folder that holds the keys with prefix.
func (s *Store) walk(w walk, prefix string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Join(s.root, filepath.FromSlash(prefix))
	info, err := os.Stat(dir)
	if isNotFound(err) {
		// An unmounted disk must not look like an empty repository.
		return s.checkRoot()
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", s.root, err)
	}
	if !info.IsDir() { // an object of that name: there is nothing below it
		return nil
	}
	return w.dir(dir, prefix)
}

func (w walk) dir(dir, prefix string) error {
	entries, err := readDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.entry(filepath.Join(dir, e.Name()), prefix, e); err != nil {
			return err
		}
	}
	return w.ctx.Err()
}

func (w walk) entry(path, prefix string, e fs.DirEntry) error {
	switch {
	case isDir(path, prefix, e):
		return w.dir(path, prefix+e.Name()+"/")
	case !temporary.Is(e.Name()):
		return w.object(prefix+e.Name(), path, e)
	case w.temporary != nil:
		return w.temporary(path, e)
	default:
		return nil
	}
}

// isDir tells whether to descend into e: a folder, or a link to one that the
// owner put at the top. Following links further down could lead in circles.
func isDir(path, prefix string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 || prefix != "" {
		return e.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readDir returns all entries of dir at once and in no order: visiting may
// delete files, which makes some systems skip entries not yet read. Folders
// are small because keys spread their objects over 256 of them. A folder that
// vanished is empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	entries, err := f.ReadDir(-1)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return entries, err
}

// stat describes a file and not the link that leads to it, as Get does.
func stat(path string, e fs.DirEntry) (fs.FileInfo, error) {
	if e.Type()&fs.ModeSymlink != 0 {
		return os.Stat(path)
	}
	return e.Info()
}

func ignoreNotFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
