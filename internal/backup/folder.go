package backup

import (
	"context"
	"fmt"
	"sync"

	"holdfast/internal/source"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// folder gathers the nodes of one directory until all are there. Whoever
// brings the last one stores the folder's tree and hands its node to the
// parent, and so on upwards.
//
// As long as everything is what the earlier tree holds there is nothing to
// build. From the first difference on, nodes move into the new tree in the
// order of their names, as soon as all before them are there, so that a large
// folder is not in memory twice.
type folder struct {
	parent *folder
	slot   int // the place in the parent
	name   string
	dir    source.Dir
	was    *earlierNode // the folder's own node in the earlier backup
	saved  *savedFolder // what an interrupted backup recorded of it
	number uint64       // its number in the checkpoint; 0 = none yet

	// earlierTree and earlierCount describe the tree it had; zero if none.
	earlierTree  id.ID
	earlierCount int
	unreadable   bool

	mu      sync.Mutex
	names   []string
	items   []item
	open    int // items not done, and one while the walk is in the folder
	differs bool
	built   int // items that have moved into builder
	builder *tree.Builder

	tree id.ID // set when the folder is done
}

// item is what a folder holds under one name; without raw it is left out.
type item struct {
	raw []byte // the node as stored
	// done tells that the item is there, or left out for good.
	done bool
	// reused tells that raw is what the earlier tree holds.
	reused bool
	// recorded tells that the checkpoint has it already.
	recorded bool
}

func (f *folder) start(names []string) {
	f.names, f.items, f.open = names, make([]item, len(names)), len(names)+1
}

// join returns the path of a name in the folder, for messages.
func (f *folder) join(name string) string { return f.dir.PathOf(name) }

// put takes an item in and tells whether it was the last.
func (f *folder) put(slot int, it item) (last bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	it.done = true
	f.items[slot] = it
	if !it.reused {
		f.differs = true
	}
	if f.differs {
		err = f.build()
	}
	f.open--
	return f.open == 0, err
}

// build moves items into the new tree, up to the first that is not done.
func (f *folder) build() error {
	for ; f.built < len(f.items) && f.items[f.built].done; f.built++ {
		it := &f.items[f.built]
		if it.raw == nil {
			continue
		}
		if f.builder == nil {
			f.builder = newBuilder()
		}
		if err := f.builder.AddRaw(f.names[f.built], it.raw); err != nil {
			return fmt.Errorf("make tree of %s: %w", f.dir.Path(), err)
		}
		it.raw = nil
	}
	return nil
}

// walked ends the walk's part in a folder, which had the given tree before.
func (f *folder) walked(earlier id.ID, nodes int) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.earlierTree, f.earlierCount = earlier, nodes
	f.open--
	return f.open == 0
}

// identical tells whether the folder holds exactly the nodes of its earlier
// tree, byte for byte.
func (f *folder) identical() bool {
	return !f.differs && !f.earlierTree.IsZero() && f.earlierCount == len(f.items)
}

// leaf puts in its place what is not a folder.
func (a *archiver) leaf(ctx context.Context, f *folder, slot int, it item) error {
	if it.raw != nil && !a.found.Load() {
		a.found.Store(true)
	}
	return a.done(ctx, f, slot, it)
}

// done puts an item in its place, and finishes the folder after the last one.
func (a *archiver) done(ctx context.Context, f *folder, slot int, it item) error {
	if it.raw != nil && !it.recorded && !it.reused {
		if err := a.checkpoint.add(f, it.raw); err != nil {
			a.warn("", fmt.Errorf("if it is interrupted, this backup will read again what it reads from now on: %w", err))
		}
	}
	last, err := f.put(slot, it)
	if err != nil || !last {
		return err
	}
	return a.finish(ctx, f)
}

// finish stores a folder's tree and hands its node to the parent.
func (a *archiver) finish(ctx context.Context, f *folder) error {
	defer a.opened.close(f)
	var it item
	if !f.unreadable {
		if err := a.storeTree(ctx, f); err != nil {
			return err
		}
		f.names, f.items = nil, nil
		if f.parent != nil {
			it = a.folderNode(f)
		}
	}
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
	if err := f.build(); err != nil {
		return err
	}
	if f.builder == nil {
		f.builder = newBuilder() // an empty folder
	}
	plain := f.builder.Bytes()
	saved, err := a.target.save(ctx, blob.Tree, plain)
	if err != nil {
		return fmt.Errorf("store tree of %s: %w", f.dir.Path(), err)
	}
	f.tree = saved.ID
	if !saved.Known {
		a.progress.TreeBlobs.Add(1)
		a.progress.Added.Add(uint64(len(plain)))
		a.progress.Stored.Add(uint64(saved.StoredBytes)) //nolint:gosec // never negative
	}
	builders.Put(f.builder)
	f.builder = nil
	return nil
}

// builders are reused: a tree's JSON can be large.
var builders = sync.Pool{New: func() any { return tree.NewBuilder() }}

func newBuilder() *tree.Builder {
	b := builders.Get().(*tree.Builder) //nolint:forcetypeassert // the pool holds nothing else
	b.Reset()
	return b
}

// folderNode returns the node of a finished folder.
func (a *archiver) folderNode(f *folder) item {
	e := f.dir.Entry()
	e.Name = f.name
	state := New
	same := false
	if f.was != nil {
		state = Changed
		if same = f.was.Subtree != nil && *f.was.Subtree == f.tree; same || f.was.fresh {
			state = f.was.unchanged()
		}
	}
	it := item{}
	if same && f.was.unchangedNode(a.reuse, &e) {
		it = f.was.item()
	} else {
		it.raw = a.describe(f.parent, &e, func(n *tree.Node) { n.Subtree = &f.tree })
	}
	if it.raw != nil {
		a.countItem(f.parent, f.name, Item{Type: tree.Dir, State: state})
	}
	return it
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
