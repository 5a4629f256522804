package restore

import (
	"context"
	"errors"
	"io/fs"

	"holdfast/repository/tree"
)

// file restores a regular file, or plans it.
func (w *walker) file(ctx context.Context, at *folder, n *tree.Node) error {
	key, several := linkKeyOf(n)
	if several && w.linked[key] != nil {
		return w.linkTo(w.linked[key], at, n)
	}
	size, err := w.locate(n)
	if err != nil {
		return err
	}
	if err := w.make(at); err != nil {
		return err
	}
	w.progress.ItemsTotal.Add(1)
	w.progress.BytesTotal.Add(uint64(size)) //nolint:gosec // not negative
	f := newFile(at, n)
	f.size, f.number = size, w.number
	action, err := w.prepare(f, n)
	if err != nil {
		return err
	}
	if action == Unchanged {
		w.keep(f)
		return nil
	}
	if w.options.DryRun {
		w.foretell(f, action)
		return nil
	}
	if action == Updated && f.disk == nil {
		f.disk = &onDisk{action: Updated}
	}
	if several {
		if err := w.makeNow(f); err != nil {
			return err
		}
		w.linked[key] = f
	}
	return w.plan(ctx, f)
}

// keep counts a file that is not to be overwritten.
func (w *walker) keep(f *file) {
	w.unproven.add(f.number)
	w.progress.BytesSkipped.Add(uint64(f.size)) //nolint:gosec // not negative
	w.done(f.folder, f.name, tree.File, Unchanged, uint64(f.size))
}

// foretell counts what a dry run would do to a file.
func (w *walker) foretell(f *file, a Action) {
	if f.disk != nil {
		a = f.disk.action
	}
	for _, p := range w.parts {
		w.progress.BytesRestored.Add(uint64(p.length))
	}
	w.done(f.folder, f.name, tree.File, a, uint64(f.size)) //nolint:gosec // not negative
}

// prepare deals with what is in the place of a file. What of its content is
// there already is taken out of w.parts.
func (w *walker) prepare(f *file, n *tree.Node) (Action, error) {
	if f.folder.fresh {
		return Restored, nil
	}
	d, err := w.use(f.folder)
	if err != nil {
		return "", err
	}
	defer w.release(f.folder)
	is, err := d.lstat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return Restored, nil
	}
	if err != nil {
		return "", err
	}
	if is.kind == tree.File && w.options.Overwrite.compares() {
		return Updated, w.reuse(d, f, n, &is)
	}
	return w.clearPlace(d, f.folder, n, &is)
}

// reuse keeps what is right of a file that is there. A file whose content
// nobody else shares is changed in place. One that has other names, which
// may be outside the target, or lends rights to those who run it, is
// replaced by a new one, to which the good parts are copied.
func (w *walker) reuse(d dirHandle, f *file, n *tree.Node, was *state) error {
	inPlace := was.links == 1 && was.mode&privilegedBits == 0
	old, err := d.open(f.name, inPlace && !w.options.DryRun)
	if err != nil && inPlace {
		inPlace = false
		old, err = d.open(f.name, false)
	}
	if err != nil { // it cannot be read, so nothing of it is known to be right
		if w.options.DryRun {
			return nil
		}
		return d.remove(f.name, false)
	}
	defer old.close() //nolint:errcheck // it was read, or is opened again
	is, err := old.state()
	if err != nil {
		return err
	}
	if is.kind != tree.File || is.fileID != was.fileID || inPlace && is.links != 1 {
		return errReplaced
	}
	f.disk = &onDisk{action: Updated}
	if inPlace || w.options.DryRun {
		f.disk.made, f.disk.foreign, f.disk.id, f.disk.is = true, true, is.fileID, is
		w.compare(f, n, old)
		return nil
	}
	return w.copyOver(d, f, n, old)
}

// copyOver replaces a file by a new one with what is right of the old one.
func (w *walker) copyOver(d dirHandle, f *file, n *tree.Node, old fileHandle) error {
	if err := d.remove(f.name, false); err != nil {
		return err
	}
	h, err := w.useFile(f)
	if err != nil {
		return err
	}
	defer w.files.release(&f.disk.slot)
	if err = w.copyRight(h, f, n, old); err != nil {
		err = errors.Join(err, d.remove(f.name, false))
	}
	return err
}

// copyRight copies the parts that are right of a file that is there.
func (w *walker) copyRight(h fileHandle, f *file, n *tree.Node, old fileHandle) error {
	right := make([]bool, len(w.parts))
	for k, p := range w.parts {
		content, sum, err := w.present.read(old, p)
		if right[k] = err == nil && sum == n.Content[k]; !right[k] {
			continue
		}
		if err := w.writePart(h, f, content, p.offset); err != nil {
			return err
		}
	}
	w.leave(f, right)
	return nil
}

// compare hashes the parts of a file that is there, and leaves those in w.parts
// that are not right.
func (w *walker) compare(f *file, n *tree.Node, old fileHandle) {
	w.leave(f, w.present.compare(old, w.parts, n.Content))
}

// leave takes the parts that are right out of w.parts.
func (w *walker) leave(f *file, right []bool) {
	missing := w.parts[:0]
	for k, p := range w.parts {
		if !right[k] {
			missing = append(missing, p)
			continue
		}
		w.progress.BytesSkipped.Add(uint64(p.length))
	}
	w.parts = missing
	if len(missing) == 0 && f.disk.is.size == f.size {
		f.disk.action = Unchanged
	}
}
