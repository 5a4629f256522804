package restore

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"holdfast/internal/source"
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
	f := w.newFile(at, n)
	f.size, f.number = size, w.number
	action, compared, err := w.prepare(ctx, f, n)
	switch {
	case err != nil:
		return err
	case action == Unchanged:
		w.keep(f)
		return nil
	case compared != nil:
		compared.links, compared.several = key, several
		return w.compare(ctx, compared)
	}
	return w.provide(ctx, f, action, key, several, w.parts)
}

// provide has the parts of a file written that are missing.
func (w *walker) provide(ctx context.Context, f *file, action Action, key linkKey, several bool, missing []part) error {
	if w.options.DryRun {
		w.foretell(f, action, missing)
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
	return w.plan(ctx, f, missing)
}

// keep counts a file that is not to be overwritten.
func (w *walker) keep(f *file) {
	w.unproven.add(f.number)
	w.progress.BytesSkipped.Add(uint64(f.size)) //nolint:gosec // not negative
	w.done(f.folder, f.name, tree.File, Unchanged, uint64(f.size))
}

// foretell counts what a dry run would do to a file.
func (w *walker) foretell(f *file, a Action, missing []part) {
	if f.disk != nil {
		a = f.disk.action
	}
	for _, p := range missing {
		w.progress.BytesRestored.Add(uint64(p.length))
	}
	w.done(f.folder, f.name, tree.File, a, uint64(f.size)) //nolint:gosec // not negative
}

// prepare deals with what is in the place of a file. If that is to be changed in
// place, it returns what has to be compared first.
func (w *walker) prepare(ctx context.Context, f *file, n *tree.Node) (Action, *comparison, error) {
	if f.folder.fresh {
		return Restored, nil, nil
	}
	d, err := w.use(f.folder)
	if err != nil {
		return "", nil, err
	}
	defer w.release(f.folder)
	is, err := d.lstat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return Restored, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	if is.kind == tree.File && w.options.Overwrite.compares() {
		compared, err := w.reuse(ctx, d, f, n, &is)
		return Updated, compared, err
	}
	if is.kind == tree.File && !w.options.DryRun && w.options.Overwrite.replaces(is.mtime, source.TimeOf(n.ModTime)) {
		w.asides.add(f)
		return Updated, nil, nil
	}
	action, err := w.clearPlace(d, f.folder, n, &is)
	return action, nil, err
}

// reuse keeps what is right of a file that is there. A file whose content
// nobody else shares is compared and changed in place. One that has other names,
// which may be outside the target, or lends rights to those who run it, is
// replaced by a new one once that is whole: the good parts are copied, and taken
// out of w.parts.
func (w *walker) reuse(ctx context.Context, d dirHandle, f *file, n *tree.Node, was *state) (*comparison, error) {
	inPlace := was.links == 1 && was.mode&privilegedBits == 0
	old, err := d.open(f.name, inPlace && !w.options.DryRun)
	if err != nil && inPlace {
		inPlace = false
		old, err = d.open(f.name, false)
	}
	if err != nil { // it cannot be read, so nothing of it is known to be right
		if !w.options.DryRun {
			w.asides.add(f)
		}
		return nil, nil //nolint:nilnil // nothing to compare
	}
	is, err := old.state()
	if err == nil && (is.kind != tree.File || is.fileID != was.fileID || inPlace && is.links != 1) {
		err = errReplaced
	}
	if err != nil {
		return nil, errors.Join(err, old.close())
	}
	f.disk = &onDisk{action: Updated}
	if inPlace || w.options.DryRun {
		f.disk.made, f.disk.foreign, f.disk.id, f.disk.is = true, true, is.fileID, is
		return &comparison{file: f, from: old, parts: slices.Clone(w.parts), want: n.Content}, nil
	}
	err = w.copyOver(ctx, d, f, n, old)
	old.close() //nolint:errcheck // it was only read
	return nil, err
}

// copyOver replaces a file by a new one with what is right of the old one.
func (w *walker) copyOver(ctx context.Context, d dirHandle, f *file, n *tree.Node, old fileHandle) error {
	w.asides.add(f)
	h, err := w.useFile(f)
	if err != nil {
		return err
	}
	defer w.files.release(&f.disk.slot)
	if err = w.copyRight(ctx, h, f, n, old); err != nil {
		err = errors.Join(err, d.remove(f.aside, false))
	}
	return err
}

// copyRight copies the parts that are right of a file that is there.
func (w *walker) copyRight(ctx context.Context, h fileHandle, f *file, n *tree.Node, old fileHandle) error {
	var r reader
	missing := w.parts[:0]
	for k, p := range w.parts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		content, sum, err := r.read(old, p)
		if err != nil || sum != n.Content[k] {
			missing = append(missing, p)
			continue
		}
		if err := w.writePart(h, f, content, p.offset); err != nil {
			return err
		}
		w.progress.BytesSkipped.Add(uint64(p.length))
	}
	w.parts = missing
	return nil
}
