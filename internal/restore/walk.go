package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// walker goes through the snapshot, makes what has no content, and plans the
// rest. It belongs to one goroutine.
type walker struct {
	*restorer
	batches chan<- *batch
	batch   *batch
	linked  map[linkKey]*file
	// number counts the files met.
	number uint64
	// parts is where the content of one file is planned; its memory is reused.
	parts     []part
	protected map[fileID]struct{}
	comparers *comparers // nil until something is there already
}

// part is a blob of a file.
type part struct {
	position uint32
	length   uint32
	offset   int64
}

func (w *walker) walkAll(ctx context.Context, target *folder, root id.ID) error {
	if err := w.protect(); err != nil {
		return err
	}
	defer func() { w.comparers.close() }()
	if err := w.walk(ctx, target, root); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	return w.hand(ctx)
}

// hand gives the batch to the workers and begins another.
func (w *walker) hand(ctx context.Context) error {
	if w.batch.parts == 0 {
		return nil
	}
	select {
	case w.batches <- w.batch:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w.batch = newBatch(w.batch.atMost)
	return nil
}

// walk restores what is in a folder.
func (w *walker) walk(ctx context.Context, at *folder, subtree id.ID) error {
	var names map[string]struct{}
	if w.options.Delete {
		names = make(map[string]struct{})
	}
	whole := true
	for n, err := range w.snapshot.Nodes(ctx, subtree) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			whole = false
			w.failed(at.pathOf(n), err)
			continue
		}
		if names != nil {
			names[n.Name] = struct{}{}
		}
		if err := w.node(ctx, at, n); err != nil {
			return err
		}
	}
	// What a damaged tree does not name may be in the snapshot all the same.
	if names != nil && whole && at.made && !at.fresh && !at.absent {
		w.deleteOthers(ctx, at, names)
	}
	w.finished(at)
	return nil
}

// pathOf returns the path of an entry, or of the folder itself if there is
// none.
func (f *folder) pathOf(n *tree.Node) string {
	if n == nil {
		return f.path()
	}
	return f.join(n.Name)
}

// node restores one entry of a folder, or plans it. Only errors that end the
// restore are returned.
func (w *walker) node(ctx context.Context, at *folder, n *tree.Node) error {
	selected, below := true, true
	if !w.options.Filter.isEmpty() {
		selected, below = w.options.Filter.judge(at.join(n.Name))
	}
	switch {
	case n.Type == tree.Dir && (selected || below):
		return w.folder(ctx, at, n, selected, below)
	case !selected, n.Type == tree.Socket: // sockets live as long as their programs
		return nil
	case n.Type == tree.File:
		w.number++
		return w.judgeFile(ctx, at, n.Name, w.number, w.file(ctx, at, n))
	}
	return w.judgeItem(ctx, at, n.Name, w.other(at, n))
}

// judgeFile is judgeItem for a file, by its number.
func (w *walker) judgeFile(ctx context.Context, at *folder, name string, number uint64, err error) error {
	if err != nil {
		w.unproven.add(number)
	}
	return w.judgeItem(ctx, at, name, err)
}

// judgeItem reports what failed of an item. Only an error that ends the restore
// is returned.
func (w *walker) judgeItem(ctx context.Context, at *folder, name string, err error) error {
	if err == nil || isFatal(err) || ctx.Err() != nil {
		return err
	}
	w.failed(at.join(name), err)
	return judge(err)
}

// folder restores a folder and goes into it. One that is not selected is made
// only when something in it is.
func (w *walker) folder(ctx context.Context, at *folder, n *tree.Node, selected, below bool) error {
	m := w.metadataOf(n)
	f := &folder{parent: at, name: n.Name, metadata: &m}
	f.pending.Store(1)
	if selected {
		if err := w.make(f); err != nil {
			w.failed(f.path(), err)
			return judge(err)
		}
	}
	at.pending.Add(1)
	if !below {
		w.finished(f)
		return nil
	}
	return w.walk(ctx, f, *n.Subtree)
}

// other restores a symlink, device or fifo.
func (w *walker) other(at *folder, n *tree.Node) error {
	key, several := linkKeyOf(n)
	if several && w.linked[key] != nil {
		return w.linkTo(w.linked[key], at, n)
	}
	if err := w.make(at); err != nil {
		return err
	}
	w.progress.ItemsTotal.Add(1)
	if w.options.DryRun && at.absent {
		w.done(at, n.Name, n.Type, Restored, 0)
		return nil
	}
	d, err := w.use(at)
	if err != nil {
		return err
	}
	defer w.release(at)
	action, err := w.clear(d, at, n)
	if err != nil {
		return err
	}
	if action != Unchanged && !w.options.DryRun {
		if err := w.makeOther(d, n); err != nil {
			return err
		}
		if several {
			if err := w.remember(key, d, at, n); err != nil {
				return err
			}
		}
	}
	w.done(at, n.Name, n.Type, action, 0)
	return nil
}

func (w *walker) makeOther(d dirHandle, n *tree.Node) error {
	m := w.metadataOf(n)
	if n.Type == tree.Symlink {
		if err := d.symlink(n.LinkTarget, n.Name); err != nil {
			return err
		}
		return w.setSymlink(d, n.Name, &m)
	}
	if err := d.special(n.Name, n); err != nil {
		return fmt.Errorf("make %s: %w", n.Type, err)
	}
	return w.setSpecial(d, n.Name, &m)
}

// clear makes the place of a node free: nothing is there, or what is there is
// removed. Unchanged means that it stays.
func (w *walker) clear(d dirHandle, at *folder, n *tree.Node) (Action, error) {
	if at.fresh {
		return Restored, nil
	}
	is, err := d.lstat(n.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return Restored, nil
	}
	if err != nil {
		return "", err
	}
	return w.clearPlace(d, at, n, &is)
}

// clearPlace removes what is in the place of a node, if that is permitted.
func (w *walker) clearPlace(d dirHandle, at *folder, n *tree.Node, is *state) (Action, error) {
	if !w.options.Overwrite.replaces(is.mtime, source.TimeOf(n.ModTime)) {
		return Unchanged, nil
	}
	if is.isFolder() {
		return Updated, w.clearFolder(d, at, n.Name, is)
	}
	if w.options.DryRun {
		return Updated, nil
	}
	return Updated, d.remove(n.Name, false)
}

// clearFolder removes a folder that is in the place of something else: what is
// in it only if Delete says so.
func (w *walker) clearFolder(d dirHandle, at *folder, name string, is *state) error {
	if w.options.Delete {
		if w.deleteTree(d, at.join(name), at, name, is) {
			return nil
		}
		return errors.New("a folder with files that must stay is in its place")
	}
	if w.options.DryRun {
		return nil
	}
	if err := d.remove(name, true); err != nil {
		return fmt.Errorf("a folder is in its place, and only an empty one is replaced without --delete: %w", err)
	}
	return nil
}

// locate finds the blobs of a file in the index. Nothing is touched for a
// file that the repository no longer has.
func (w *walker) locate(n *tree.Node) (size int64, err error) {
	w.parts = w.parts[:0]
	index := w.repo.Index()
	for _, i := range n.Content {
		h := blob.Handle{ID: i, Type: blob.Data}
		position, ok := index.Position(h)
		if !ok {
			return 0, fmt.Errorf("%s: %w", h, repository.ErrNotIndexed)
		}
		length := index.At(position).DataLength()
		w.parts = append(w.parts, part{uint32(position), length, size}) //nolint:gosec // an index has fewer entries
		size += int64(length)
	}
	return size, nil
}

// plan hands a file over to the workers, or finishes it at once if it has no
// content to wait for.
func (w *walker) plan(ctx context.Context, f *file, missing []part) error {
	f.folder.pending.Add(1)
	if len(missing) == 0 {
		f.left.Store(1)
		var err error
		if f.disk == nil {
			err = w.writeWhole(f, nil)
		}
		if err != nil {
			err = w.spoil(f, err)
		}
		w.partDone(f)
		return err
	}
	if len(missing) > 1 && f.disk == nil {
		f.disk = &onDisk{action: Restored}
	}
	f.left.Store(int64(len(missing)))
	for _, p := range missing {
		stored := w.repo.Index().At(int(p.position))
		w.batch.add(stored, place{file: f, offset: p.offset, position: p.position})
		if w.batch.full() {
			if err := w.hand(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
