package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// errProtected says that something is not to be deleted in any case.
var errProtected = errors.New("it is not deleted: holdfast itself works with it")

// protect identifies what is never deleted, and the folders from which nothing
// is. Where a system gives files no identity, that is everything.
func (w *walker) protect() error {
	w.protected = make(map[fileID]struct{})
	if !w.options.Delete {
		return nil
	}
	for _, path := range w.options.Protected {
		err := w.protectPath(path)
		// What this process may not look at it may not delete either.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("protect %s: %w", path, err)
		}
	}
	return nil
}

// protectPath identifies what is at a path and, if that is a symlink, what it
// leads to.
func (w *walker) protectPath(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, path := range []string{path, real} {
		d, err := openTarget(filepath.Dir(path))
		if err != nil {
			return err
		}
		is, err := d.lstat(filepath.Base(path))
		d.close()
		if err != nil {
			return err
		}
		w.protected[is.fileID] = struct{}{}
	}
	return nil
}

// deleteOthers removes what a folder of the target has and that of the
// snapshot has not, unless the filter leaves it out.
func (w *walker) deleteOthers(ctx context.Context, at *folder, keep map[string]struct{}) {
	d, err := w.use(at)
	if err != nil {
		w.failed(at.path(), err)
		return
	}
	defer w.release(at)
	names, err := d.names()
	if err != nil {
		w.failed(at.path(), fmt.Errorf("list what to delete: %w", err))
		return
	}
	slices.Sort(names)
	_, protected := w.protected[at.id]
	for _, name := range names {
		if _, ok := keep[name]; ok || ctx.Err() != nil || strings.HasPrefix(name, w.asides.prefix) {
			continue
		}
		is, err := d.lstat(name)
		if err != nil {
			w.failed(at.join(name), err)
			continue
		}
		if selected, below := w.options.Filter.judge(at.join(name)); protected && (selected || below) {
			w.failed(at.join(name), errProtected)
			continue
		}
		w.deleteTree(d, at.join(name), at, name, &is)
	}
}

// deleteTree removes a name and all below it, and returns whether it is gone.
// top is the folder of the plan that it is in, for reports.
func (w *walker) deleteTree(d dirHandle, path string, top *folder, name string, is *state) bool {
	selected, below := w.options.Filter.judge(path)
	if _, ok := w.protected[is.fileID]; ok && (selected || below) {
		w.failed(path, errProtected)
		return false
	}
	if is.isFolder() {
		if !selected && !below || !w.emptyFolder(d, path, top, name, is) {
			return false
		}
	}
	if !selected {
		return false
	}
	if !w.options.DryRun {
		if err := d.remove(name, is.isFolder()); err != nil {
			w.failed(path, fmt.Errorf("delete: %w", err))
			return false
		}
	}
	w.deleted(path, is)
	return true
}

// emptyFolder removes what is in a folder, and returns whether all of it is
// gone. It stays on the folder's file system.
func (w *walker) emptyFolder(d dirHandle, path string, top *folder, name string, is *state) bool {
	sub, err := d.openFolder(name, !w.options.DryRun)
	if err != nil {
		w.failed(path, fmt.Errorf("delete: %w", err))
		return false
	}
	defer sub.close()
	opened, err := sub.state()
	if err == nil && opened.fileID != is.fileID {
		err = errReplaced
	}
	if err == nil && opened.device != top.id.device {
		err = errors.New("another file system is mounted there")
	}
	var names []string
	if err == nil {
		names, err = sub.names()
	}
	if err != nil {
		w.failed(path, fmt.Errorf("delete: %w", err))
		return false
	}
	slices.Sort(names)
	gone := true
	for _, child := range names {
		below, err := sub.lstat(child)
		if err != nil {
			w.failed(path+"/"+child, err)
			gone = false
			continue
		}
		gone = w.deleteTree(sub, path+"/"+child, top, child, &below) && gone
	}
	return gone
}

// deleted counts something that is gone.
func (w *walker) deleted(path string, is *state) {
	w.progress.ItemsDeleted.Add(1)
	if w.options.OnItem == nil {
		return
	}
	w.report.Lock()
	defer w.report.Unlock()
	w.options.OnItem(Item{Path: path, Type: is.kind, Action: Deleted, Size: uint64(is.size)}) //nolint:gosec // not negative
}
