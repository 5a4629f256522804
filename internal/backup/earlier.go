package backup

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/internal/source"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// earlierTree is the tree a folder had in an earlier backup.
type earlierTree struct {
	id id.ID // zero if there is none
	// start is when the backup that stored the tree began.
	start time.Time
	// interrupted tells that it is from an interrupted backup, fresh that the
	// parent snapshot has no such folder.
	interrupted, fresh bool
}

// treeOfParent returns the tree of the whole source as the parent has it.
func treeOfParent(parent *snapshot.Snapshot) earlierTree {
	if parent == nil {
		return earlierTree{}
	}
	return earlierTree{id: parent.Tree, start: startOf(parent)}
}

// startOf returns a time at which the snapshot's backup had not yet read
// anything. The snapshot's own time may have been chosen by its user.
func startOf(s *snapshot.Snapshot) time.Time {
	if s.Summary != nil && !s.Summary.BackupStart.IsZero() && s.Summary.BackupStart.Before(s.Time) {
		return s.Summary.BackupStart
	}
	return s.Time
}

// earlierNode is a node of an earlier backup: what tells whether it is still
// true, and its bytes. Fields that a light scan leaves out are zero.
type earlierNode struct {
	tree.Node
	raw  []byte
	seen source.Seen
	// start is when the backup that recorded it began.
	start time.Time
	// interrupted tells that it is from an interrupted backup, and recorded
	// that its checkpoint has it; fresh, that the parent has nothing of that
	// name.
	interrupted, recorded, fresh bool
}

func (n *earlierNode) set(node *tree.Node, raw []byte, start time.Time) {
	n.Node, n.raw, n.start = *node, raw, start
	n.seen = source.Seen{
		Size:       int64(node.Size), //nolint:gosec // no file is larger
		ModTime:    source.TimeOf(node.ModTime),
		ChangeTime: source.TimeOf(node.ChangeTime),
		Inode:      node.Inode,
		DeviceID:   node.DeviceID,
	}
}

// item takes the node over as it is.
func (n *earlierNode) item() item {
	return item{raw: n.raw, reused: !n.recorded, recorded: n.recorded}
}

// detach returns a copy that outlives the cursor; nil for nil.
func (n *earlierNode) detach() *earlierNode {
	if n == nil {
		return nil
	}
	c := *n
	return &c
}

// subtree returns the tree of a folder's node.
func (n *earlierNode) subtree() earlierTree {
	if n == nil || n.Subtree == nil {
		return earlierTree{}
	}
	return earlierTree{*n.Subtree, n.start, n.interrupted, n.fresh}
}

// unchanged says how an item that needed no reading compares with the parent
// snapshot: what only an interrupted backup has stored is new or changed.
func (n *earlierNode) unchanged() State {
	switch {
	case n.fresh:
		return New
	case n.interrupted:
		return Changed
	}
	return Unchanged
}

func (n *earlierNode) unchangedContent(r source.Reuse, e *source.Entry) bool {
	r.PreviousStart = n.start
	return r.Content(e, &n.seen)
}

func (n *earlierNode) unchangedNode(r source.Reuse, e *source.Entry) bool {
	r.PreviousStart = n.start
	return r.Node(e, &n.seen)
}

// cursor finds the earlier nodes of a folder, whose names are asked for in
// ascending order: in the checkpoint of an interrupted backup first, then in
// the folder's tree.
type cursor struct {
	a     *archiver
	tree  earlierTree // zero if there is no earlier tree that can be read
	saved *savedNodes

	scanner *tree.Scanner
	have    bool // the scanner stands at a node
	count   int  // the nodes it has read
	node    earlierNode
}

// scanners are reused: each holds arenas.
var scanners = sync.Pool{New: func() any { return tree.NewLightScanner(nil) }}

// openEarlier reads what is known of a folder from before. A tree that cannot
// be read is reported, and everything in the folder is read again.
func (a *archiver) openEarlier(ctx context.Context, f *folder, earlier earlierTree) *cursor {
	c := &cursor{a: a}
	var err error
	if c.saved, err = a.checkpoint.nodesOf(f.saved, a.target.holds); err != nil {
		a.warn(f.dir.Path(), err)
	}
	if earlier.id.IsZero() {
		return c
	}
	data, err := a.loadTree(ctx, earlier.id)
	if err != nil {
		if ctx.Err() == nil {
			a.warn(f.dir.Path(), fmt.Errorf("its folder in an earlier snapshot cannot be read, so its files are read again: %w", err))
		}
		return c
	}
	c.tree = earlier
	c.scanner = scanners.Get().(*tree.Scanner) //nolint:forcetypeassert // the pool holds nothing else
	c.scanner.Reset(data)
	c.advance()
	return c
}

// loadTree reads an earlier tree that may be referred to again.
func (a *archiver) loadTree(ctx context.Context, i id.ID) ([]byte, error) {
	if !a.target.holds(blob.Handle{ID: i, Type: blob.Tree}) {
		return nil, errMissing
	}
	return a.repo.LoadTree(ctx, i, nil)
}

func (c *cursor) advance() {
	if c.have = c.scanner.Next(); c.have {
		c.count++
	}
}

// find returns the earlier node of a name, or nil. It is valid until the next
// call.
func (c *cursor) find(name string) *earlierNode {
	for c.have && c.scanner.Node().Name < name {
		c.advance()
	}
	known := c.have && c.scanner.Node().Name == name
	if n := c.saved.find(name); n != nil {
		n.fresh = !known || c.tree.fresh
		return n
	}
	if !known {
		return nil
	}
	c.node.set(c.scanner.Node(), c.scanner.Raw(), c.tree.start)
	c.node.interrupted, c.node.fresh = c.tree.interrupted, c.tree.fresh
	return &c.node
}

// close reads the rest of the earlier tree and returns its ID and how many
// nodes it has: zero if there is none, or one that turns out damaged. The
// cursor cannot be used any more.
func (c *cursor) close() (id.ID, int) {
	if c.scanner == nil {
		return id.ID{}, 0
	}
	for c.have {
		c.advance()
	}
	err := c.scanner.Err()
	c.scanner.Reset(nil)
	scanners.Put(c.scanner)
	if err != nil {
		c.a.warn("tree "+c.tree.id.Short(), err)
		return id.ID{}, 0
	}
	return c.tree.id, c.count
}
