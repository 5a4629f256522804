package restore

import (
	"errors"
	"fmt"
	"io/fs"

	"holdfast/repository/tree"
)

// linkKey tells which nodes of a snapshot are names of the same file.
type linkKey struct{ device, inode uint64 }

// link is a name of a file in the target.
type link struct {
	folder *folder
	name   string
	number uint64 // as that of file
}

// linkKeyOf returns false for a node that is the only name of its file.
func linkKeyOf(n *tree.Node) (linkKey, bool) {
	return linkKey{n.DeviceID, n.Inode}, n.Links > 1 && n.Inode != 0
}

// makeNow makes a file at once, empty, so that it can be given other names.
func (w *walker) makeNow(f *file) error {
	if f.disk == nil {
		f.disk = &onDisk{action: Restored}
	}
	if _, err := w.useFile(f); err != nil {
		return err
	}
	w.files.release(&f.disk.slot)
	return nil
}

// remember keeps something made without content, for its other names.
func (w *walker) remember(key linkKey, d dirHandle, at *folder, n *tree.Node) error {
	is, err := d.lstat(n.Name)
	if err != nil {
		return err
	}
	w.linked[key] = &file{folder: at, name: n.Name, disk: &onDisk{made: true, id: is.fileID}}
	return nil
}

// linkTo gives a file another name.
func (w *walker) linkTo(f *file, at *folder, n *tree.Node) error {
	if err := w.make(at); err != nil {
		return err
	}
	w.progress.ItemsTotal.Add(1)
	d, err := w.use(at)
	if err != nil {
		return err
	}
	defer w.release(at)
	action := Restored
	if !at.fresh {
		is, err := d.lstat(n.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case is.fileID == f.disk.id && is.fileID != (fileID{}):
			action = Unchanged
		default:
			if action, err = w.clearPlace(d, at, n, &is); err != nil {
				return err
			}
		}
	}
	if action == Unchanged && n.Type == tree.File {
		w.unproven.add(w.number)
	}
	if action != Unchanged {
		if err := w.makeLink(d, at, n.Name, f); err != nil {
			return err
		}
	}
	w.done(at, n.Name, n.Type, action, 0)
	return nil
}

// errSpoiled says that a name has nothing to lead to.
var errSpoiled = errors.New("it is a hard link of a file that could not be restored")

func (w *walker) makeLink(d dirHandle, at *folder, name string, f *file) error {
	from, err := w.use(f.folder)
	if err != nil {
		return err
	}
	defer w.release(f.folder)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.gone {
		return errSpoiled
	}
	if err := d.link(name, from, f.nameNow()); err != nil {
		return fmt.Errorf("make hard link to %s: %w", f.folder.join(f.name), err)
	}
	is, err := d.lstat(name)
	if err == nil && is.fileID != f.disk.id {
		err = errors.Join(errReplaced, d.remove(name, false))
	}
	if err != nil {
		return err
	}
	f.disk.links = append(f.disk.links, link{at, name, w.number})
	return nil
}
