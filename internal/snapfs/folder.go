package snapfs

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// maxKeptTree bounds the memory for one folder that is kept for the next.
const maxKeptTree = 1 << 20

// Nodes returns the entries of a folder, given by its tree, in the order in
// which they are stored: that of their names, but for trees of very old
// programs. It keeps no more than one node in memory beside the tree itself,
// and bypasses the cache: it is for whoever goes through everything once.
//
// A node is valid until the next one; what it points to stays. An error with
// a node says what is wrong with that entry, which must be used for nothing
// but messages, and the others follow. An error without a node is the last:
// the rest of the folder cannot be read.
func (f *FS) Nodes(ctx context.Context, folder id.ID) iter.Seq2[*tree.Node, error] {
	return func(yield func(*tree.Node, error) bool) {
		buffer, _ := f.trees.Get().(*[]byte)
		if buffer == nil {
			buffer = new([]byte)
		}
		f.NodesIn(ctx, folder, buffer)(yield)
		if cap(*buffer) <= maxKeptTree {
			f.trees.Put(buffer)
		}
	}
}

// NodesIn is Nodes for those who bound the memory for trees themselves: the
// tree is read into a buffer of theirs, which is grown where needed, and may be
// used again when the iteration has ended.
func (f *FS) NodesIn(ctx context.Context, folder id.ID, buffer *[]byte) iter.Seq2[*tree.Node, error] {
	return func(yield func(*tree.Node, error) bool) {
		data, err := f.repo.LoadTree(ctx, folder, *buffer)
		if err != nil {
			yield(nil, err)
			return
		}
		*buffer = data
		yieldNodes(folder, data, yield)
	}
}

// yieldNodes goes through a tree and judges its nodes.
func yieldNodes(folder id.ID, data []byte, yield func(*tree.Node, error) bool) {
	names := nameCheck{data: data}
	s := tree.NewScanner(data)
	for s.Next() {
		n := s.Node()
		err := tree.Validate(n)
		if err == nil {
			err = names.add(n.Name)
		}
		if !yield(n, err) {
			return
		}
	}
	if err := s.Err(); err != nil {
		yield(nil, damagedTree(folder, err))
	}
}

// nameCheck finds names that come twice in a tree. It takes no memory as long
// as the names ascend, as they do in all trees but very old ones.
type nameCheck struct {
	data []byte
	last string
	seen map[string]struct{} // nil while the names ascend
	n    int                 // names so far
}

func (c *nameCheck) add(name string) error {
	if c.seen == nil && name > c.last {
		c.last = name
		c.n++
		return nil
	}
	if c.seen == nil {
		c.readAgain()
	}
	if _, ok := c.seen[name]; ok {
		return fmt.Errorf("%q: %w", name, ErrDuplicate)
	}
	c.seen[name] = struct{}{}
	return nil
}

// readAgain collects the names so far, which were not kept.
func (c *nameCheck) readAgain() {
	c.seen = make(map[string]struct{}, c.n)
	s := tree.NewLightScanner(c.data)
	for len(c.seen) < c.n && s.Next() {
		if name := s.Node().Name; tree.ValidateName(name) == nil {
			c.seen[name] = struct{}{}
		}
	}
}

// ReadDir returns the entries of a folder. With an error the list still holds
// the entries that are good.
func (f *FS) ReadDir(ctx context.Context, folder *tree.Node) ([]tree.Node, error) {
	subtree, err := subtreeOf(folder)
	if err != nil {
		return nil, err
	}
	data, err := f.tree(ctx, subtree)
	if err != nil {
		return nil, err
	}
	var list []tree.Node
	var bad []error
	yieldNodes(subtree, data, func(n *tree.Node, err error) bool {
		if err != nil {
			bad = append(bad, err)
			return true
		}
		list = append(list, *n)
		return true
	})
	return list, errors.Join(bad...)
}
