package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

const (
	// batchFiles and batchBytes bound the files that the walk hands over at
	// once: handing over small files one by one costs more in waking readers
	// than the files do.
	batchFiles = 32
	batchBytes = 1 << 20
	// queuedBatches bounds how far the walk is ahead of the readers, and with
	// it the folders kept open and the trees kept in memory.
	queuedBatches = 8
)

// archiver holds the state of one backup.
type archiver struct {
	options    Options
	repo       *repository.Repository
	target     *target
	progress   *Progress
	reuse      source.Reuse
	checkpoint *checkpoint
	method     repository.CutMethod
	buffers    *buffers

	ahead   *lookahead
	files   chan []fileJob
	readers readers
	batch   []fileJob  // gathered by the walk
	bytes   int64      // their size
	places  *places    // for the chunks of large files
	namers  sync.Pool  // of *pairNamer
	report  sync.Mutex // one OnError or OnItem at a time
	opened  openFolders
	found   atomic.Bool // something other than folders was stored
}

// errMissing says that the earlier snapshot names a blob the repository does
// not hold; the file is read anew.
var errMissing = errors.New("the repository lacks data of an earlier snapshot; the file is read again")

// errNothing says that no snapshot is made because it would hold nothing.
var errNothing = errors.New("nothing of the source could be read, so no snapshot is made")

// archive stores the whole source and returns the ID of its root tree.
func (a *archiver) archive(ctx context.Context, src source.Source, receipt *Receipt) (id.ID, error) {
	var err error
	if a.method, err = a.repo.CutMethod(cutterFor(receipt.Parent)); err != nil {
		return id.ID{}, err
	}
	if a.checkpoint, err = a.openCheckpoint(receipt); err != nil {
		a.warn("", fmt.Errorf("if it is interrupted, this backup will start anew: %w", err))
	}
	a.buffers = newBuffers(a.options.concurrency().Start)
	a.files = make(chan []fileJob, queuedBatches)
	a.places = newPlaces(workers())

	top, err := src.Open(ctx)
	if err != nil {
		return id.ID{}, fmt.Errorf("open source: %w", err)
	}
	root := &folder{dir: top, number: rootNumber, saved: a.checkpoint.savedRoot()}
	a.opened.add(root)
	defer a.opened.closeAll()
	if err := a.run(ctx, root, treeOfParent(receipt.Parent)); err != nil {
		return id.ID{}, err
	}
	if root.unreadable || !a.found.Load() && a.progress.Errors.Load() > 0 {
		return id.ID{}, errNothing
	}
	return root.tree, nil
}

// run runs the walk, what looks ahead for it, and the readers.
func (a *archiver) run(ctx context.Context, root *folder, earlier earlierTree) error {
	g, gctx := errgroup.WithContext(ctx)
	a.startReaders(gctx, g)
	a.ahead = newLookahead(&a.opened)
	g.Go(func() error { return a.ahead.run(gctx, root) })
	g.Go(func() error {
		defer close(a.readers.done)
		defer close(a.files)
		if err := a.walk(gctx, earlier); err != nil {
			return err
		}
		return a.handOver(gctx)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx) // what it interrupted may look like an error of the source
}

// workers is how many goroutines keep all processors busy.
func workers() int { return max(2, runtime.GOMAXPROCS(0)) }

// walk goes through the folder that is looked at next, name by name in order.
// What is unchanged is taken over at once; files to be read are queued.
func (a *archiver) walk(ctx context.Context, earlier earlierTree) error {
	p, err := a.ahead.next(ctx)
	if err != nil {
		return err
	}
	f := p.folder
	if p.err != nil {
		return a.unreadableFolder(ctx, f, p.err)
	}
	f.start(p.names)
	cursor := a.openEarlier(ctx, f, earlier)
	for slot := 0; ; {
		for k := range p.seen {
			if err := a.visit(ctx, f, slot, &p.seen[k], cursor.find(f.names[slot])); err != nil {
				return err
			}
			slot++
		}
		last := p.last
		a.ahead.release(p)
		if last {
			break
		}
		if p, err = a.ahead.next(ctx); err != nil {
			return err
		}
	}
	if f.walked(cursor.close()) {
		return a.finish(ctx, f)
	}
	return nil
}

// unreadableFolder leaves a folder out whose names cannot be listed.
func (a *archiver) unreadableFolder(ctx context.Context, f *folder, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.failed(f.dir.Path(), err)
	f.unreadable = true
	return a.finish(ctx, f)
}

// visit deals with one name of a folder.
func (a *archiver) visit(ctx context.Context, f *folder, slot int, s *sight, was *earlierNode) error {
	e := &s.entry
	if s.err != nil {
		return a.leaveOut(ctx, f, slot, s.err)
	}
	switch t := e.Type(); {
	case t == "":
		return a.leaveOut(ctx, f, slot, fmt.Errorf("unsupported file type %s", e.Mode))
	case was != nil && was.Type != t:
		was = nil
	}
	switch {
	case s.sub != nil:
		return a.visitFolder(ctx, s.sub, was)
	case !e.IsRegular():
		return a.visitSpecial(ctx, f, slot, e, was)
	case was != nil && a.mayReuse(f, e, was):
		return a.takeOver(ctx, f, slot, e, was)
	}
	return a.queue(ctx, fileJob{folder: f, slot: slot, entry: *e, changed: was != nil && !was.fresh})
}

// leaveOut leaves a name out: silently if it is excluded.
func (a *archiver) leaveOut(ctx context.Context, f *folder, slot int, err error) error {
	if !errors.Is(err, source.ErrExcluded) {
		a.failed(f.join(f.names[slot]), err)
	}
	return a.done(ctx, f, slot, item{})
}

// visitFolder walks a subfolder.
func (a *archiver) visitFolder(ctx context.Context, sub *folder, was *earlierNode) error {
	sub.was, sub.saved = was.detach(), sub.parent.saved.child(sub.name)
	if sub.saved != nil {
		sub.number = sub.saved.number
	}
	return a.walk(ctx, was.subtree())
}

// visitSpecial records anything that is neither a file nor a folder.
func (a *archiver) visitSpecial(ctx context.Context, f *folder, slot int, e *source.Entry, was *earlierNode) error {
	state := New
	if was != nil {
		state = Changed
		if was.unchangedNode(a.reuse, e) {
			a.countItem(f, e.Name, Item{Type: was.Type, State: was.unchanged()})
			return a.leaf(ctx, f, slot, was.item())
		}
	}
	raw := a.describe(f, e, nil)
	if raw != nil {
		a.countItem(f, e.Name, Item{Type: e.Type(), State: state})
	}
	return a.leaf(ctx, f, slot, item{raw: raw})
}

// mayReuse tells whether the content recorded for a file is still right and
// still stored.
func (a *archiver) mayReuse(f *folder, e *source.Entry, was *earlierNode) bool {
	if !was.unchangedContent(a.reuse, e) {
		return false
	}
	for _, i := range was.Content {
		if a.target.holds(blob.Handle{ID: i, Type: blob.Data}) {
			continue
		}
		if !was.interrupted { // which need not have stored all it recorded
			a.warn(f.join(e.Name), errMissing)
		}
		return false
	}
	return true
}

// takeOver records an unchanged file: with the very bytes of its earlier node
// if nothing else about it has changed either.
func (a *archiver) takeOver(ctx context.Context, f *folder, slot int, e *source.Entry, was *earlierNode) error {
	it := was.item()
	if !was.unchangedNode(a.reuse, e) {
		it = item{raw: a.describe(f, e, func(n *tree.Node) { n.Content, n.Size = was.Content, was.Size })}
	}
	if it.raw != nil {
		a.countItem(f, e.Name, Item{Type: tree.File, State: was.unchanged(), Size: was.Size})
	}
	return a.leaf(ctx, f, slot, it)
}

// describe reads the full metadata of an entry and encodes its node; nil if
// there is nothing to record.
func (a *archiver) describe(f *folder, e *source.Entry, complete func(*tree.Node)) []byte {
	n, err := f.dir.Node(*e)
	if err != nil {
		a.failed(f.join(e.Name), err)
	}
	if n == nil {
		return nil
	}
	if complete != nil {
		complete(n)
	}
	return tree.AppendNode(nil, n)
}

// failed reports a part of the source that is missing or incomplete.
func (a *archiver) failed(path string, err error) {
	a.progress.Errors.Add(1)
	a.warn(path, err)
}

// warn reports something people should know that cost nothing.
func (a *archiver) warn(path string, err error) {
	if a.options.OnError == nil {
		return
	}
	if p, ok := err.(*fs.PathError); ok && p.Path == path { //nolint:errorlint // what wraps it says more
		err = fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	a.report.Lock()
	defer a.report.Unlock()
	a.options.OnError(path, err)
}

// countItem counts an item, and tells who wants to know.
func (a *archiver) countItem(f *folder, name string, i Item) {
	if i.Type == tree.File || i.Type == tree.Dir {
		a.progress.count(&i)
	}
	if a.options.OnItem == nil {
		return
	}
	i.Path = f.join(name)
	a.report.Lock()
	defer a.report.Unlock()
	a.options.OnItem(i)
}
