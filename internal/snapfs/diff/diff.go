// Package diff tells how one folder in a snapshot differs from another.
//
// Folders with the same ID are equal and not read again, so that the work
// grows with what changed. Only to tell which pieces of content are really
// new, the folders that both have in common are gone through once more, each
// one once.
package diff

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// The modifiers of a Change, which may be joined: "TU".
const (
	Added   = "+"
	Removed = "-"
	// Modified: the content of a file is another.
	Modified = "M"
	// Retyped: a file has become a folder, a folder a symlink, and so on.
	Retyped = "T"
	// Updated: only metadata differs.
	Updated = "U"
	// Suspect follows Modified: the content is another although all metadata
	// is the same, as when a disk decays.
	Suspect = "?"
)

// Change is one path that differs. Paths of folders end in "/".
type Change struct {
	Path     string
	Modifier string
}

// Count is what was added or removed.
type Count struct {
	Files, Dirs, Others  int
	DataBlobs, TreeBlobs int
	// Bytes is the plaintext size of the blobs.
	Bytes uint64
}

// Statistics sums a comparison up.
type Statistics struct {
	ChangedFiles   int
	Added, Removed Count
}

// Options tell what is compared, and whom to tell.
type Options struct {
	// Metadata reports nodes of which only metadata differs.
	Metadata bool
	// Change is told of each difference; its error ends the comparison.
	Change func(Change) error
	// Warn is told of folders, nodes and blobs that cannot be read. What is
	// below them is not compared.
	Warn func(path string, err error)
}

// comparer holds the state of one comparison.
type comparer struct {
	r     *repository.Repository
	fs    *snapfs.FS
	o     Options
	stats Statistics
	// before and after hold the blobs that only changed folders name, shared
	// the folders that are in both.
	before, after, shared *snapfs.BlobSet
}

// Run compares the trees a and b. The index of the repository is loaded. It
// keeps the nodes of the two folders being compared, and of their parents, in
// memory.
func Run(ctx context.Context, r *repository.Repository, a, b id.ID, o Options) (Statistics, error) {
	f, err := snapfs.Open(ctx, r, a)
	if err != nil {
		return Statistics{}, err
	}
	c := &comparer{
		r: r, fs: f, o: o,
		before: snapfs.NewBlobSet(r), after: snapfs.NewBlobSet(r), shared: snapfs.NewBlobSet(r),
	}
	c.need(c.before, treeHandle(a), "/")
	c.need(c.after, treeHandle(b), "/")
	if a != b {
		if err := c.folders(ctx, "/", a, b); err != nil {
			return c.stats, err
		}
	}
	return c.stats, c.countBlobs(ctx)
}

func treeHandle(i id.ID) blob.Handle { return blob.Handle{ID: i, Type: blob.Tree} }

// folders compares what two folders hold.
func (c *comparer) folders(ctx context.Context, path string, a, b id.ID) error {
	listA, err := c.list(ctx, path, a)
	if err != nil {
		return err
	}
	listB, err := c.list(ctx, path, b)
	if err != nil {
		return err
	}
	for len(listA) > 0 || len(listB) > 0 {
		var order int
		switch {
		case len(listA) == 0:
			order = 1
		case len(listB) == 0:
			order = -1
		default:
			order = cmp.Compare(listA[0].Name, listB[0].Name)
		}
		switch {
		case order < 0:
			err = c.oneSide(ctx, path, &listA[0], Removed, &c.stats.Removed, c.before)
		case order > 0:
			err = c.oneSide(ctx, path, &listB[0], Added, &c.stats.Added, c.after)
		default:
			err = c.both(ctx, path, &listA[0], &listB[0])
		}
		if err != nil {
			return err
		}
		if order <= 0 {
			listA = listA[1:]
		}
		if order >= 0 {
			listB = listB[1:]
		}
	}
	return nil
}

// list returns the good nodes of a folder in the order of their names.
func (c *comparer) list(ctx context.Context, path string, folder id.ID) ([]tree.Node, error) {
	var list []tree.Node
	for n, err := range c.fs.Nodes(ctx, folder) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			c.o.Warn(path, err)
			continue
		}
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b tree.Node) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// both compares two nodes of one name.
func (c *comparer) both(ctx context.Context, folder string, a, b *tree.Node) error {
	path := pathOf(folder, b)
	c.needAll(c.before, a, path)
	c.needAll(c.after, b, path)
	if m := c.modifier(a, b); m != "" {
		if err := c.o.Change(Change{path, m}); err != nil {
			return err
		}
	}
	switch {
	case a.Type == tree.Dir && b.Type == tree.Dir:
		if *a.Subtree == *b.Subtree {
			c.shared.Add(treeHandle(*a.Subtree))
			return nil
		}
		return c.folders(ctx, path, *a.Subtree, *b.Subtree)
	case a.Type == tree.Dir:
		return c.oneSideBelow(ctx, pathOf(folder, a), *a.Subtree, Removed, &c.stats.Removed, c.before)
	case b.Type == tree.Dir:
		return c.oneSideBelow(ctx, path, *b.Subtree, Added, &c.stats.Added, c.after)
	}
	return nil
}

// modifier tells how two nodes of one name differ; "" for not at all.
func (c *comparer) modifier(a, b *tree.Node) string {
	m := ""
	if a.Type != b.Type {
		m = Retyped
	}
	switch {
	case a.Type == tree.File && b.Type == tree.File && !slices.Equal(a.Content, b.Content):
		c.stats.ChangedFiles++
		m += Modified
		if sameMetadata(a, b) {
			m += Suspect
		}
	case c.o.Metadata && !(sameMetadata(a, b) && sameSubtree(a, b)):
		m += Updated
	}
	return m
}

// oneSide reports a node that only one side has, and what is below it.
func (c *comparer) oneSide(ctx context.Context, folder string, n *tree.Node, modifier string, count *Count, blobs *snapfs.BlobSet) error {
	path := pathOf(folder, n)
	c.needAll(blobs, n, path)
	count.add(n)
	if err := c.o.Change(Change{path, modifier}); err != nil {
		return err
	}
	if n.Type != tree.Dir {
		return nil
	}
	return c.oneSideBelow(ctx, path, *n.Subtree, modifier, count, blobs)
}

func (c *comparer) oneSideBelow(ctx context.Context, path string, folder id.ID, modifier string, count *Count, blobs *snapfs.BlobSet) error {
	for n, err := range c.fs.Nodes(ctx, folder) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.o.Warn(path, err)
			continue
		}
		at := *n
		if err := c.oneSide(ctx, path, &at, modifier, count, blobs); err != nil {
			return err
		}
	}
	return nil
}

func (c *Count) add(n *tree.Node) {
	switch n.Type {
	case tree.File:
		c.Files++
	case tree.Dir:
		c.Dirs++
	default:
		c.Others++
	}
}

// pathOf returns the path of a node, with a slash behind that of a folder.
func pathOf(folder string, n *tree.Node) string {
	path := snapfs.Join(folder, n.Name)
	if n.Type == tree.Dir {
		path += "/"
	}
	return path
}

// needAll puts the blobs that a node names into a set.
func (c *comparer) needAll(set *snapfs.BlobSet, n *tree.Node, path string) {
	switch n.Type {
	case tree.File:
		for _, i := range n.Content {
			c.need(set, blob.Handle{ID: i, Type: blob.Data}, path)
		}
	case tree.Dir:
		c.need(set, treeHandle(*n.Subtree), path)
	}
}

func (c *comparer) need(set *snapfs.BlobSet, h blob.Handle, path string) {
	if _, ok := set.Add(h); !ok {
		c.o.Warn(path, fmt.Errorf("%s: %w", h, repository.ErrNotIndexed))
	}
}
