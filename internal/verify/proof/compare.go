package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// What can differ, beside metadata.
var (
	errMissing   = errors.New("it did not come back")
	errContent   = errors.New("what came back differs from the source, which did not change since the backup")
	errRecorded  = errors.New("what came back is not what the snapshot recorded")
	errStored    = errors.New("what the repository holds differs from the source, which did not change since the backup")
	errNotLinked = errors.New("it was a hard link of a file that came back beside it, and is a file of its own")
)

// comparison compares one part.
type comparison struct {
	*run
	part  part
	mu    sync.Mutex // guards proof and OnDifference
	links map[fileKey]fileKey
}

// folder compares what is in a folder of the snapshot with what came back
// and the source. Either may be nil: then there is no such folder.
func (c *comparison) folder(ctx context.Context, path string, subtree id.ID, back, live source.Dir) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var folders []tree.Node
	err := c.entries(gctx, path, subtree, func(at string, n *tree.Node) {
		if n.Type == tree.Dir {
			folders = append(folders, *n)
			return
		}
		it := &item{comparison: c, path: at, node: n, live: live, back: back}
		if !it.look() || n.Type != tree.File {
			return
		}
		node := *n
		it.node = &node
		g.Go(func() error { return it.content(gctx) })
	})
	// The folders stay open for as long as files in them are read.
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	for k := range folders {
		if err := c.subfolder(ctx, snapfs.Join(path+"/", folders[k].Name), &folders[k], back, live); err != nil {
			return err
		}
	}
	return nil
}

// entries visits the entries of a folder that belong to the part.
func (c *comparison) entries(ctx context.Context, path string, subtree id.ID, visit func(at string, n *tree.Node)) error {
	for n, err := range c.Snapshot.Nodes(ctx, subtree) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n == nil {
			c.differs(path+"/", err)
			continue
		}
		at := path + "/" + n.Name
		if err != nil {
			c.differs(at, err)
			continue
		}
		if in, _ := c.part.judge(at); in && n.Type != tree.Socket {
			visit(at, n)
		}
	}
	return nil
}

// subfolder compares a folder and then what is in it.
func (c *comparison) subfolder(ctx context.Context, path string, n *tree.Node, back, live source.Dir) error {
	it := &item{comparison: c, path: path, node: n, live: live, back: back}
	if !it.look() {
		return nil
	}
	var backSub, liveSub source.Dir
	if back != nil {
		sub, err := back.Sub(it.backEntry)
		if err != nil {
			c.differs(path, err)
			return nil
		}
		defer sub.Close() //nolint:errcheck // it was only read
		backSub = sub
	}
	if it.liveThere && it.liveEntry.IsDir() {
		if sub, err := live.Sub(it.liveEntry); err == nil {
			defer sub.Close() //nolint:errcheck // it was only read
			liveSub = sub
		}
	}
	// A folder that begins in an earlier part was counted there.
	if !it.wrong && !leadsTo(path, c.part.first) {
		c.add(func(p *Proof) { p.Folders++ })
	}
	return c.folder(ctx, path, *n.Subtree, backSub, liveSub)
}

// item is one entry, as the snapshot has it, as it came back, and as it is
// in the source now.
type item struct {
	*comparison
	path       string
	node       *tree.Node
	back, live source.Dir

	backEntry, liveEntry source.Entry
	liveThere            bool
	// changed says that the source is no longer what was backed up.
	changed bool
	// wrong says that a difference was found already.
	wrong bool
}

// look compares everything but content. It returns false if there is nothing
// to go on with.
func (it *item) look() bool {
	it.lookLive()
	if it.back == nil {
		return true
	}
	var err error
	if it.backEntry, err = it.back.Stat(it.node.Name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errMissing
		}
		it.differs(it.path, err)
		return false
	}
	is, err := it.back.Node(it.backEntry)
	if err != nil {
		it.differs(it.path, err)
		return false
	}
	if is.Type != it.node.Type {
		it.differs(it.path, fmt.Errorf("it came back as a %s, and was a %s", is.Type, it.node.Type))
		return false
	}
	found := it.compareMetadata(it.reference(), is)
	found = append(found, it.checkLinks(it.node, &it.backEntry))
	if err := errors.Join(found...); err != nil {
		it.wrong = true
		it.differs(it.path, err)
	} else if it.node.Type != tree.File && it.node.Type != tree.Dir {
		it.add(func(p *Proof) { p.Others++ })
		it.Progress.Items.Add(1)
	}
	return true
}

// lookLive finds out whether the source is still what was backed up.
func (it *item) lookLive() {
	it.changed = true
	if it.live != nil {
		var err error
		if it.liveEntry, err = it.live.Stat(it.node.Name); err == nil {
			it.liveThere = true
			it.changed = !sameState(&it.liveEntry, it.node)
		}
	}
	// Folders change whenever something in them does: that alone says nothing.
	if it.changed && it.node.Type != tree.Dir && it.Source != nil {
		it.add(func(p *Proof) { p.ChangedSince++ })
	}
}

// reference returns what metadata ought to have come back: those of the
// source, or of the snapshot if the source changed or cannot be read.
func (it *item) reference() *tree.Node {
	if it.changed {
		return it.node
	}
	n, err := it.live.Node(it.liveEntry)
	if err != nil || n == nil {
		return it.node
	}
	return n
}

// sameState tells whether an entry of the source is what a node recorded.
// Whatever changes a file changes one of these.
func sameState(e *source.Entry, n *tree.Node) bool {
	if e.Type() != n.Type || e.Inode != n.Inode ||
		e.ModTime != source.TimeOf(n.ModTime) || e.ChangeTime != source.TimeOf(n.ChangeTime) {
		return false
	}
	return n.Type != tree.File || uint64(e.Size) == n.Size //nolint:gosec // sizes are not negative
}

// differs reports something that did not come back as it should.
func (c *comparison) differs(path string, err error) {
	c.Progress.Differences.Add(1)
	if c.OnDifference == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.OnDifference(path, err)
}

func (c *comparison) add(change func(*Proof)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.proof)
}

// openFolder opens the folder at an absolute path in a source made of it
// alone: sources hold it under its whole path.
func openFolder(ctx context.Context, src source.Source, path string) (source.Dir, error) {
	d, err := src.Open(ctx)
	if err != nil {
		return nil, err
	}
	open := closers{d}
	for name := range strings.SplitSeq(strings.Trim(slashed(path), "/"), "/") {
		e, err := d.Stat(name)
		if err == nil {
			d, err = d.Sub(e)
		}
		if err != nil {
			return nil, errors.Join(err, open.Close())
		}
		open = append(open, d)
	}
	return &within{d, open[:len(open)-1]}, nil
}

// within is a folder that keeps those above it open.
type within struct {
	source.Dir
	above closers
}

func (w *within) Close() error { return errors.Join(w.Dir.Close(), w.above.Close()) }

type closers []source.Dir

func (c closers) Close() error {
	var errs []error
	for k := len(c) - 1; k >= 0; k-- {
		errs = append(errs, c[k].Close())
	}
	return errors.Join(errs...)
}
