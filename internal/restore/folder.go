package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"holdfast/repository/tree"
)

// folder is a folder of the target while something in it is to be done.
type folder struct {
	parent *folder // nil for the target
	name   string
	slot   slot[dirHandle]
	// metadata is set when the last of pending is done; nil: left alone.
	metadata *metadata
	// pending counts the files and folders in it that are not done, and the
	// walk while it is in the folder.
	pending atomic.Int64

	// The rest is set by the walk before anybody else sees the folder.

	// made says that the folder is there. A folder that was not selected
	// itself is made when something in it is.
	made bool
	// fresh says that this restore made it, so that it holds nothing foreign.
	fresh bool
	// plain says that what is made in it has the owner and group of this
	// process and a mode by its umask: no setgid, no ACL by default.
	plain bool
	// absent says that a dry run would have made it.
	absent bool
	id     fileID
}

// errReplaced says that somebody interferes with the restore.
var errReplaced = errors.New("something else took its place while it was being restored")

// path returns where the folder is in the snapshot.
func (f *folder) path() string {
	if f.parent == nil {
		return "/"
	}
	return f.parent.join(f.name)
}

// join returns the path of an entry.
func (f *folder) join(name string) string {
	if f.parent == nil {
		return "/" + name
	}
	return f.path() + "/" + name
}

// use returns the handle of a folder, which stays open until release. A
// folder that is opened again must be the one it was.
func (r *restorer) use(f *folder) (dirHandle, error) {
	return r.folders.use(&f.slot, func() (dirHandle, error) {
		d, err := r.open(f)
		if err != nil {
			return d, err
		}
		is, err := d.state()
		if err == nil && is.fileID != f.id {
			err = fmt.Errorf("folder %s: %w", f.path(), errReplaced)
		}
		if err != nil {
			d.close()
			return noDir, err
		}
		return d, nil
	})
}

func (r *restorer) release(f *folder) { r.folders.release(&f.slot) }

// open opens a folder in its parent. The target itself is always open.
func (r *restorer) open(f *folder) (dirHandle, error) {
	above, err := r.use(f.parent)
	if err != nil {
		return noDir, err
	}
	defer r.release(f.parent)
	return above.openFolder(f.name, !r.options.DryRun)
}

// make makes sure that a folder is there, and those above it.
func (w *walker) make(f *folder) error {
	if f.made {
		return nil
	}
	if err := w.make(f.parent); err != nil {
		return err
	}
	if err := w.makeInParent(f); err != nil {
		return err
	}
	w.progress.ItemsTotal.Add(1)
	return nil
}

func (w *walker) makeInParent(f *folder) error {
	if f.parent.absent {
		f.made, f.absent, f.fresh = true, true, true
		return nil
	}
	above, err := w.use(f.parent)
	if err != nil {
		return err
	}
	defer w.release(f.parent)
	if !f.parent.fresh {
		if err := w.makeWay(above, f); err != nil || f.made {
			return err
		}
	}
	if w.options.DryRun {
		f.made, f.absent, f.fresh = true, true, true
		return nil
	}
	if err := above.makeFolder(f.name); err != nil {
		return err
	}
	f.fresh = true
	return w.enter(above, f)
}

// makeWay looks at what is in the place of a folder: another folder is used,
// anything else gives way if the overwrite mode permits it.
func (w *walker) makeWay(above dirHandle, f *folder) error {
	is, err := above.lstat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if is.isFolder() {
		return w.enter(above, f)
	}
	if !w.options.Overwrite.replaces(is.mtime, f.metadata.mtime) {
		return fmt.Errorf("a %s is in the place of the folder and is not to be overwritten; its content is not restored", is.kind)
	}
	if w.options.DryRun {
		return nil
	}
	return above.remove(f.name, false)
}

// enter opens a folder for the first time.
func (w *walker) enter(above dirHandle, f *folder) error {
	d, err := w.folders.use(&f.slot, func() (dirHandle, error) { return above.openFolder(f.name, !w.options.DryRun) })
	if err != nil {
		return err
	}
	defer w.release(f)
	if !f.fresh && w.options.Overwrite == Never {
		f.metadata = nil
	}
	if err := w.inspect(f, d); err != nil {
		return err
	}
	f.made = true
	return nil
}

// inspect learns what a folder is, once it is open.
func (r *restorer) inspect(f *folder, d dirHandle) error {
	is, err := d.state()
	if err != nil {
		return err
	}
	f.id = is.fileID
	f.plain = is.mode&fs.ModeSetgid == 0
	if f.fresh && f.parent.plain {
		// It may still have the group of its parent, as some mounts ask for.
		f.plain = f.plain && is.gid == r.process.gid
		return nil
	}
	f.plain = f.plain && !d.inherits() && r.process.umask >= 0
	if !f.fresh && is.mode&0o700 != 0o700 && is.uid == r.process.uid && !r.process.isRoot() && !r.options.DryRun && f.metadata != nil {
		return d.admit(is.mode)
	}
	return nil
}

// finished tells a folder that something in it is done. With the last of it
// the folder gets its metadata, and is itself done for its parent.
func (r *restorer) finished(f *folder) {
	for ; f != nil && f.pending.Add(-1) == 0; f = f.parent {
		if f.made && f.parent != nil {
			r.finishFolder(f)
		}
	}
}

func (r *restorer) finishFolder(f *folder) {
	action := Restored
	if !f.fresh {
		action = Updated
	}
	if f.metadata == nil {
		action = Unchanged
	}
	if f.metadata != nil && !f.absent && !r.options.DryRun {
		if err := r.setFolderMetadata(f); err != nil {
			r.failed(f.path(), err)
		}
	}
	r.done(f.parent, f.name, tree.Dir, action, 0)
}

func (r *restorer) setFolderMetadata(f *folder) error {
	d, err := r.use(f)
	if err != nil {
		return err
	}
	defer r.release(f)
	is := state{uid: r.process.uid, gid: r.process.gid, mode: 0o700}
	if !f.fresh || !f.parent.plain || !f.plain {
		if is, err = d.state(); err != nil {
			return err
		}
	}
	return r.setFolder(d, f.metadata, &is, !f.fresh || !f.parent.plain)
}
