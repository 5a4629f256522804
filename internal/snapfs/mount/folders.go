//go:build linux || darwin || freebsd

package mount

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"holdfast/internal/snapfs"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// foldersRoom bounds the nodes of folders that are kept; a large file counts
// for several. A folder that is larger is kept alone.
const foldersRoom = 100_000

// folders keeps the folders used last with their nodes, so that looking up
// each entry of a folder does not read its tree again and again.
type folders struct {
	mu      sync.Mutex
	used    int
	entries map[id.ID]*list.Element
	recent  list.List // of *listing, the one used last in front
}

// listing is the nodes of a folder, sorted by name.
type listing struct {
	tree  id.ID
	nodes []tree.Node
	cost  int
}

func newFolders() *folders { return &folders{entries: make(map[id.ID]*list.Element)} }

// open returns a folder. Entries that are damaged are left out and given to
// warn; only if there are no others is that an error.
func (c *folders) open(ctx context.Context, f *snapfs.FS, n *tree.Node, warn func(error)) (*listing, error) {
	if n.Subtree == nil {
		return nil, fmt.Errorf("%q: %w", n.Name, snapfs.ErrNotFolder)
	}
	if l := c.find(*n.Subtree); l != nil {
		return l, nil
	}
	nodes, err := f.ReadDir(ctx, n)
	if err != nil && len(nodes) == 0 {
		return nil, err
	}
	slices.SortFunc(nodes, func(a, b tree.Node) int { return cmp.Compare(a.Name, b.Name) })
	l := &listing{tree: *n.Subtree, nodes: nodes, cost: costOf(nodes)}
	if err != nil {
		warn(err)
	}
	c.keep(l)
	return l, nil
}

// costOf counts nodes, and the IDs of content as eight to a node.
func costOf(nodes []tree.Node) int {
	cost := 1
	for n := range nodes {
		cost += 1 + len(nodes[n].Content)/8
	}
	return cost
}

func (c *folders) find(i id.ID) *listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[i]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*listing)
}

// keep adds a folder and drops those unused longest.
func (c *folders) keep(l *listing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[l.tree]; ok {
		return
	}
	c.entries[l.tree] = c.recent.PushFront(l)
	c.used += l.cost
	for c.used > foldersRoom && c.recent.Len() > 1 {
		last := c.recent.Remove(c.recent.Back()).(*listing)
		delete(c.entries, last.tree)
		c.used -= last.cost
	}
}

// child returns the node of a name, nil if there is none.
func (l *listing) child(name string) *tree.Node {
	n, ok := slices.BinarySearchFunc(l.nodes, name, func(n tree.Node, name string) int { return strings.Compare(n.Name, name) })
	if !ok {
		return nil
	}
	return &l.nodes[n]
}
