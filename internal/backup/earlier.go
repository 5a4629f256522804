package backup

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/internal/source"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// earlierFolder is what is known of a folder from before: its tree in the
// parent snapshot, and what an interrupted backup has stored since.
type earlierFolder struct {
	tree id.ID // zero if there is none
	// start is when the backup that stored the tree began.
	start time.Time
	saved *savedFolder // nil if there is none
}

// earlierRoot returns what is known of the whole source.
func (a *archiver) earlierRoot(receipt *Receipt) *earlierFolder {
	e := &earlierFolder{saved: a.checkpoint.root()}
	if p := receipt.Parent; p != nil {
		e.tree, e.start = p.Tree, startOf(p)
	}
	return e
}

// startOf returns a time at which the snapshot's backup had not yet read
// anything. The snapshot's own time may have been chosen by its user.
func startOf(s *snapshot.Snapshot) time.Time {
	if s.Summary != nil && !s.Summary.BackupStart.IsZero() && s.Summary.BackupStart.Before(s.Time) {
		return s.Summary.BackupStart
	}
	return s.Time
}

// earlierFolder returns what is known of a subfolder of f.
func (a *archiver) earlierFolder(f *folder, name string, was *earlierNode) *earlierFolder {
	e := &earlierFolder{saved: a.checkpoint.folder(f, name)}
	if was != nil && was.Subtree != nil {
		e.tree, e.start = *was.Subtree, was.start
	}
	return e
}

// earlierNode is a node of an earlier backup: what tells whether it is still
// true, and its bytes. Fields that a light scan leaves out are zero.
type earlierNode struct {
	tree.Node
	raw  []byte
	seen source.Seen
	// start is when the backup that recorded it began.
	start time.Time
	// recorded tells that it is from the checkpoint of an interrupted
	// backup, not from the parent snapshot.
	recorded bool
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

func (n *earlierNode) unchangedContent(r source.Reuse, e *source.Entry) bool {
	r.PreviousStart = n.start
	return r.Content(e, &n.seen)
}

func (n *earlierNode) unchangedNode(r source.Reuse, e *source.Entry) bool {
	r.PreviousStart = n.start
	return r.Node(e, &n.seen)
}

// cursor finds the earlier nodes of a folder, whose names are asked for in
// ascending order.
type cursor struct {
	a     *archiver
	tree  id.ID // zero if there is no earlier tree that can be read
	start time.Time
	saved *savedFolder

	scanner *tree.Scanner
	have    bool // the scanner stands at a node
	count   int  // the nodes it has read
	node    earlierNode
}

// scanners are reused: each holds arenas.
var scanners = sync.Pool{New: func() any { return tree.NewLightScanner(nil) }}

// open reads the folder's earlier tree. One that cannot be read is reported,
// and everything in the folder is read again.
func (e *earlierFolder) open(ctx context.Context, a *archiver) *cursor {
	c := &cursor{a: a, start: e.start, saved: e.saved}
	if e.tree.IsZero() {
		return c
	}
	data, err := a.repo.LoadTree(ctx, e.tree, nil)
	if err != nil {
		if ctx.Err() == nil {
			a.warn("tree "+e.tree.Short(), fmt.Errorf("an earlier snapshot's folder cannot be read; its files are read again: %w", err))
		}
		return c
	}
	c.tree = e.tree
	c.scanner = scanners.Get().(*tree.Scanner) //nolint:forcetypeassert // the pool holds nothing else
	c.scanner.Reset(data)
	c.advance()
	return c
}

func (c *cursor) advance() {
	if c.have = c.scanner.Next(); c.have {
		c.count++
	}
}

// find returns the earlier node of a name, or nil. It is valid until the next
// call.
func (c *cursor) find(name string) *earlierNode {
	if n := c.saved.node(name); n != nil {
		return n
	}
	for c.have && c.scanner.Node().Name < name {
		c.advance()
	}
	if !c.have || c.scanner.Node().Name != name {
		return nil
	}
	c.node.set(c.scanner.Node(), c.scanner.Raw(), c.start)
	return &c.node
}

// total reads the rest of the earlier tree and returns the number of its
// nodes. The cursor cannot be used any more. A tree that turns out damaged
// is as good as none.
func (c *cursor) total() int {
	if c.scanner == nil {
		return 0
	}
	for c.have {
		c.advance()
	}
	err := c.scanner.Err()
	c.scanner.Reset(nil)
	scanners.Put(c.scanner)
	if err != nil {
		c.a.warn("tree "+c.tree.Short(), err)
		return -1
	}
	return c.count
}
