package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"holdfast/internal/source"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// folder gathers the nodes of one directory until all are there. Whoever
// brings the last one stores the folder's tree and hands its node to the
// parent, and so on upwards.
type folder struct {
	parent *folder
	slot   int // the place in the parent
	name   string
	dir    source.Dir
	was    *earlierNode // the folder's own node in the earlier backup
	number uint64       // the folder's number in the checkpoint; 0 = none yet

	// earlierTree and earlierCount describe the tree it had; zero if none.
	earlierTree  id.ID
	earlierCount int
	unreadable   bool

	mu    sync.Mutex
	names []string
	items []item
	open  int // items not done, and one while the walk is in the folder

	tree id.ID // set when the folder is done
}

// item is what a folder holds under one name; the zero item is left out.
type item struct {
	raw []byte // the node as stored
	// reused tells that raw is what the earlier tree holds.
	reused bool
	// recorded tells that the checkpoint has it already.
	recorded bool
}

func (f *folder) start(names []string) {
	f.names, f.items, f.open = names, make([]item, len(names)), len(names)+1
}

// join returns the path of a name in the folder, for messages.
func (f *folder) join(name string) string {
	path := f.dir.Path()
	if path == "" || strings.HasSuffix(path, "/") {
		return path + name
	}
	return path + "/" + name
}

// release ends the walk's part in a folder.
func (a *archiver) release(ctx context.Context, f *folder) error { return a.count(ctx, f) }

// done puts an item in its place.
func (a *archiver) done(ctx context.Context, f *folder, slot int, it item) error {
	f.items[slot] = it // each slot is written by one goroutine only
	if it.raw != nil && !it.recorded && !it.reused {
		if err := a.checkpoint.add(f, it.raw); err != nil {
			return err
		}
	}
	return a.count(ctx, f)
}

// count notes that one part of a folder is done, and finishes the folder
// after the last one.
func (a *archiver) count(ctx context.Context, f *folder) error {
	f.mu.Lock()
	f.open--
	last := f.open == 0
	f.mu.Unlock()
	if !last {
		return nil
	}
	return a.finish(ctx, f)
}

// finish stores a folder's tree and hands its node to the parent.
func (a *archiver) finish(ctx context.Context, f *folder) error {
	defer a.opened.close(f)
	if f.unreadable {
		return a.handUp(ctx, f, item{})
	}
	if err := a.storeTree(ctx, f); err != nil {
		return err
	}
	f.names, f.items = nil, nil
	if f.parent == nil {
		return nil
	}
	return a.handUp(ctx, f, a.folderNode(f))
}

func (a *archiver) handUp(ctx context.Context, f *folder, it item) error {
	if f.parent == nil {
		return nil
	}
	return a.done(ctx, f.parent, f.slot, it)
}

// storeTree makes and stores the tree, unless all of it is what the earlier
// tree holds.
func (a *archiver) storeTree(ctx context.Context, f *folder) error {
	if f.identical() {
		f.tree = f.earlierTree
		return nil
	}
	b := builders.Get().(*tree.Builder) //nolint:forcetypeassert // the pool holds nothing else
	defer builders.Put(b)
	b.Reset()
	for n, it := range f.items {
		if it.raw == nil {
			continue
		}
		if err := b.AddRaw(f.names[n], it.raw); err != nil {
			return fmt.Errorf("make tree of %s: %w", f.dir.Path(), err)
		}
	}
	plain := b.Bytes()
	saved, err := a.target.save(ctx, blob.Tree, plain)
	if err != nil {
		return fmt.Errorf("store tree of %s: %w", f.dir.Path(), err)
	}
	f.tree = saved.ID
	if !saved.Known {
		a.progress.TreeBlobs.Add(1)
		a.progress.Added.Add(uint64(len(plain)))
		a.progress.Stored.Add(uint64(saved.StoredBytes))
	}
	return nil
}

// builders are reused: a tree's JSON can be large.
var builders = sync.Pool{New: func() any { return tree.NewBuilder() }}

// identical tells whether the folder holds exactly the nodes of its earlier
// tree, byte for byte, in the same order.
func (f *folder) identical() bool {
	if f.earlierTree.IsZero() || f.earlierCount != len(f.items) {
		return false
	}
	return !slices.ContainsFunc(f.items, func(it item) bool { return !it.reused })
}

// folderNode returns the node of a finished folder.
func (a *archiver) folderNode(f *folder) item {
	e := f.dir.Entry()
	e.Name = f.name
	it := Item{Type: tree.Dir, State: New}
	if f.was != nil {
		it.State = Changed
		if f.was.Subtree != nil && *f.was.Subtree == f.tree {
			it.State = Unchanged
		}
	}
	a.countItem(f.parent, f.name, it)
	if it.State == Unchanged && f.was.unchangedNode(a.reuse, &e) {
		return f.was.item()
	}
	return item{raw: a.describe(f.parent, &e, func(n *tree.Node) { n.Subtree = &f.tree })}
}

// openFolders are the folders that are not finished, to be closed when the
// backup fails.
type openFolders struct {
	mu  sync.Mutex
	set map[*folder]struct{}
}

func (o *openFolders) add(f *folder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set == nil {
		o.set = make(map[*folder]struct{})
	}
	o.set[f] = struct{}{}
}

func (o *openFolders) close(f *folder) {
	o.mu.Lock()
	delete(o.set, f)
	o.mu.Unlock()
	f.dir.Close() //nolint:errcheck // never worth stopping for
}

func (o *openFolders) closeAll() {
	for f := range o.set {
		f.dir.Close() //nolint:errcheck // never worth stopping for
	}
	o.set = nil
}
