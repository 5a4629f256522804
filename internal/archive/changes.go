package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"holdfast/internal/snapfs"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// errOrder is met in trees of very old programs only.
var errOrder = errors.New("its entries are not in the order of their names; make a full archive")

// changes walks a snapshot beside the one that the parent archive holds, and
// tells what the archive has to hold: what is new or differs, the folders on
// the way there (unpacking changes their times), and what went away.
//
// Unpacking removes what went away first. A folder that lost an extended
// attribute, which no unpacking takes away, is removed and comes whole, as
// does whatever is of another type now.
type changes struct {
	fs *snapfs.FS
	// before is the root of the parent's tree; zero if everything is new.
	before id.ID
	// regroup are the files with hard links that have to come with all their
	// names, since the plain tools know links only within one archive.
	regroup map[file]struct{}
	// everywhere makes the walk enter folders that are the same in both, as
	// they may hold names of files in regroup.
	everywhere bool

	entry   func(path string, n *tree.Node) error
	deleted func(path string) error

	// above are the folders on the way whose entry was not told yet.
	above []pending
}

// file tells a file that may have several names.
type file struct{ inode, device uint64 }

type pending struct {
	path string
	node tree.Node
}

// hasLinks tells whether a file has other names, and which file it is.
func hasLinks(n *tree.Node) (file, bool) {
	return file{n.Inode, n.DeviceID}, n.Type != tree.Dir && n.Links > 1 && n.Inode != 0
}

func (c *changes) walk(ctx context.Context) error {
	root := *c.fs.Root().Subtree
	if c.before.IsZero() {
		return c.added(ctx, "", root)
	}
	return c.compare(ctx, "", c.before, root)
}

// added tells of everything in a folder.
func (c *changes) added(ctx context.Context, path string, folder id.ID) error {
	for n, err := range c.nodes(ctx, path, folder) {
		if err != nil {
			return err
		}
		if err := c.addedNode(ctx, join(path, n.Name), n); err != nil {
			return err
		}
	}
	return nil
}

func (c *changes) addedNode(ctx context.Context, path string, n *tree.Node) error {
	if err := c.tell(path, n); err != nil || n.Type != tree.Dir {
		return err
	}
	return c.added(ctx, path, *n.Subtree)
}

// tell tells of an entry, after the folders it is in.
func (c *changes) tell(path string, n *tree.Node) error {
	if err := c.tellAbove(); err != nil {
		return err
	}
	return c.entry(path, n)
}

func (c *changes) tellAbove() error {
	for k := range c.above {
		if p := &c.above[k]; p.path != "" {
			if err := c.entry(p.path, &p.node); err != nil {
				return err
			}
			p.path = ""
		}
	}
	return nil
}

func (c *changes) gone(path string) error {
	if err := c.tellAbove(); err != nil {
		return err
	}
	return c.deleted(path)
}

// compare tells how one folder became another.
func (c *changes) compare(ctx context.Context, path string, before, after id.ID) error {
	next, stop := iter.Pull2(c.nodes(ctx, path, before))
	defer stop()
	old, err, more := next()
	for n, nerr := range c.nodes(ctx, path, after) {
		if nerr != nil {
			return nerr
		}
		for more && err == nil && old.Name < n.Name {
			if err := c.gone(join(path, old.Name)); err != nil {
				return err
			}
			old, err, more = next()
		}
		if err != nil {
			return err
		}
		if !more || old.Name > n.Name {
			if err := c.addedNode(ctx, join(path, n.Name), n); err != nil {
				return err
			}
			continue
		}
		if err := c.both(ctx, join(path, n.Name), old, n); err != nil {
			return err
		}
		old, err, more = next()
	}
	for ; more && err == nil; old, err, more = next() {
		if err := c.gone(join(path, old.Name)); err != nil {
			return err
		}
	}
	return err
}

// both tells how an entry differs that is in both folders.
func (c *changes) both(ctx context.Context, path string, old, n *tree.Node) error {
	if old.Type != n.Type || n.Type == tree.Dir && lostAttribute(old, n) {
		if err := c.gone(path); err != nil {
			return err
		}
		return c.addedNode(ctx, path, n)
	}
	differs := !sameNode(old, n)
	if f, ok := hasLinks(n); ok && !differs {
		_, differs = c.regroup[f]
	}
	if n.Type != tree.Dir {
		if !differs {
			return nil
		}
		return c.tell(path, n)
	}
	c.above = append(c.above, pending{path, *n})
	if differs {
		if err := c.tellAbove(); err != nil {
			return err
		}
	}
	if c.everywhere || *old.Subtree != *n.Subtree {
		if err := c.compare(ctx, path, *old.Subtree, *n.Subtree); err != nil {
			return err
		}
	}
	c.above = c.above[:len(c.above)-1]
	return nil
}

// nodes yields the entries of a folder in the order of their names. An error
// is the last.
func (c *changes) nodes(ctx context.Context, path string, folder id.ID) iter.Seq2[*tree.Node, error] {
	return func(yield func(*tree.Node, error) bool) {
		last := ""
		for n, err := range c.fs.Nodes(ctx, folder) {
			switch {
			case ctx.Err() != nil:
				err = context.Cause(ctx)
			case err == nil && n.Name <= last:
				err = errOrder
			}
			if err != nil {
				yield(nil, fmt.Errorf("archive folder %q: %w", "/"+path, err))
				return
			}
			last = n.Name
			if !yield(n, nil) {
				return
			}
		}
	}
}

// join returns the name that an entry has in the tar.
func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// sameNode tells whether unpacking the older of two entries of one type gives
// the newer, what is in folders left aside. The time of the last change of
// metadata, the time of access and, but for files with hard links, the inode
// are nothing that unpacking could set.
func sameNode(a, b *tree.Node) bool {
	return a.Mode == b.Mode && a.ModTime.Equal(b.ModTime) &&
		a.UID == b.UID && a.GID == b.GID && a.User == b.User && a.Group == b.Group &&
		a.Size == b.Size && a.LinkTarget == b.LinkTarget && a.Device == b.Device &&
		sameLinks(a, b) && slices.Equal(a.Content, b.Content) &&
		slices.EqualFunc(a.ExtendedAttributes, b.ExtendedAttributes, func(x, y tree.ExtendedAttribute) bool {
			return x.Name == y.Name && bytes.Equal(x.Value, y.Value)
		})
}

func sameLinks(a, b *tree.Node) bool {
	if a.Type == tree.Dir {
		return true
	}
	fa, linksA := hasLinks(a)
	fb, linksB := hasLinks(b)
	return linksA == linksB && (!linksA || fa == fb && a.Links == b.Links)
}

func lostAttribute(old, n *tree.Node) bool {
	return slices.ContainsFunc(old.ExtendedAttributes, func(a tree.ExtendedAttribute) bool {
		return !slices.ContainsFunc(n.ExtendedAttributes, func(b tree.ExtendedAttribute) bool { return a.Name == b.Name })
	})
}

// survey goes through the changes once without writing: it gathers what went
// away, which comes first in the archive, and the files with hard links.
func survey(ctx context.Context, f *snapfs.FS, before id.ID) (deletions []byte, deleted uint64, c *changes, err error) {
	type seen struct{ names, all uint64 }
	linked := make(map[file]*seen)
	c = &changes{fs: f, before: before}
	c.deleted = func(path string) error {
		deletions = append(append(deletions, path...), 0)
		deleted++
		return nil
	}
	c.entry = func(_ string, n *tree.Node) error {
		f, ok := hasLinks(n)
		if !ok {
			return nil
		}
		if linked[f] == nil {
			linked[f] = &seen{all: n.Links}
		}
		linked[f].names++
		return nil
	}
	if err := c.walk(ctx); err != nil {
		return nil, 0, nil, err
	}
	found := &changes{fs: f, before: before, regroup: make(map[file]struct{})}
	for f, s := range linked {
		if s.names < s.all {
			found.regroup[f] = struct{}{}
			found.everywhere = true
		}
	}
	return deletions, deleted, found, nil
}
