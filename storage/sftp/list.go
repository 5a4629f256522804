package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"holdfast/storage"
	"holdfast/storage/internal/temporary"
)

// List walks the folders below prefix; see storage.Store. Files that are no
// objects (temporary ones, devices, names that no key can have) are skipped.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	w := walk{store: s, object: func(key string, info fs.FileInfo) error {
		if !info.Mode().IsRegular() || storage.CheckKey(key) != nil {
			return nil
		}
		return visit(storage.Info{Key: key, SizeBytes: info.Size()})
	}}
	return w.run(ctx, prefix)
}

// foldersAtOnce is how many folders are read side by side. Each takes four
// round trips, and the packs of a repository lie in 256 of them.
const foldersAtOnce = 32

// walk visits files, one at a time: objects, and temporary files if temporary
// is not nil. Links to files are followed, and links to folders directly in
// the root; further down they could lead in circles.
type walk struct {
	store     *Store
	object    func(key string, info fs.FileInfo) error
	temporary func(key string, info fs.FileInfo) error
}

// folder is what was found in one folder.
type folder struct {
	prefix string
	files  []fs.FileInfo
	err    error
}

func (w *walk) run(ctx context.Context, prefix string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan folder, foldersAtOnce) // room for all, so that none is stuck when we leave
	waiting, underWay := []string{prefix}, 0
	for len(waiting) > 0 || underWay > 0 {
		for len(waiting) > 0 && underWay < foldersAtOnce {
			next := waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
			underWay++
			go func() { read <- w.read(reading, next, next == prefix) }()
		}
		f := <-read
		underWay--
		if f.err != nil {
			return f.err
		}
		folders, err := w.visit(ctx, f)
		if err != nil {
			return err
		}
		waiting = append(waiting, folders...)
	}
	return ctx.Err()
}

// read reads one folder. One that is not there is empty; at the top, the root
// must be there then: an unmounted disk must not look like an empty
// repository.
func (w *walk) read(ctx context.Context, prefix string, top bool) folder {
	f := folder{prefix: prefix}
	dir := path.Join(w.store.root, prefix)
	f.err = w.store.do(ctx, func(c *conn) (err error) {
		f.files, err = c.sftp.ReadDirContext(ctx, dir)
		if errors.Is(err, fs.ErrNotExist) {
			f.files, err = nil, nil
			if top {
				err = w.store.readError(c, fs.ErrNotExist)
				if errors.Is(err, storage.ErrNotFound) {
					err = nil
				}
			}
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", dir, err)
		}
		return w.followLinks(c, dir, f.files)
	})
	return f
}

// followLinks replaces links by what they lead to. Those that lead nowhere
// stay links, which are no objects.
func (w *walk) followLinks(c *conn, dir string, files []fs.FileInfo) error {
	for i, f := range files {
		if f.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := c.sftp.Stat(path.Join(dir, f.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		case err != nil:
			return err
		case !target.IsDir() || dir == path.Clean(w.store.root):
			files[i] = named{target, f.Name()}
		}
	}
	return nil
}

// named is a file under the name of the link to it.
type named struct {
	fs.FileInfo
	name string
}

func (n named) Name() string { return n.name }

// visit visits the files of a folder and returns the folders in it.
func (w *walk) visit(ctx context.Context, f folder) (folders []string, err error) {
	for _, file := range f.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key := f.prefix + file.Name()
		switch {
		case file.IsDir():
			folders = append(folders, key+"/")
		case !temporary.Is(file.Name()):
			err = w.object(key, file)
		case w.temporary != nil:
			err = w.temporary(key, file)
		}
		if err != nil {
			return nil, err
		}
	}
	return folders, nil
}
