package upkeep

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"holdfast/internal/pattern"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// saveTree stores a tree and returns its ID.
type saveTree func(ctx context.Context, plain []byte) (id.ID, error)

// maxRemembered bounds the trees whose results are remembered: about 200
// bytes each. Snapshots that follow each other share most of theirs.
const maxRemembered = 1 << 17

// treeRewriter leaves paths out of trees.
type treeRewriter struct {
	repo       *repository.Repository
	exclude    pattern.Lists
	include    pattern.Lists // everything, if there are none
	save       saveTree
	onExcluded func(path string)
	// remembered holds results by place: what is left out depends on the
	// path.
	remembered map[place]rewritten
	// amounts holds what was counted of trees.
	amounts map[id.ID]Amount
}

// place is a tree at a path.
type place struct {
	path string
	tree id.ID
}

// rewritten is what became of a tree.
type rewritten struct {
	tree id.ID
	// removed counts the files that are left out, with their sizes.
	removed Amount
	// empty tells that nothing is left in it.
	empty bool
}

func newTreeRewriter(r *repository.Repository, include, exclude pattern.Lists, save saveTree, onExcluded func(string)) *treeRewriter {
	if onExcluded == nil {
		onExcluded = func(string) {}
	}
	return &treeRewriter{repo: r, include: include, exclude: exclude, save: save, onExcluded: onExcluded, remembered: make(map[place]rewritten), amounts: make(map[id.ID]Amount)}
}

// rewrite returns the tree without what is left out. One in which nothing is
// left out stays as it is.
func (t *treeRewriter) rewrite(ctx context.Context, dir string, i id.ID) (rewritten, error) {
	if !t.exclude.ChildMayMatch(dir) && t.included(dir) {
		return rewritten{tree: i}, nil
	}
	at := place{dir, i}
	if known, ok := t.remembered[at]; ok {
		return known, nil
	}
	result, err := t.rewriteTree(ctx, dir, i)
	if err != nil {
		return rewritten{}, err
	}
	if len(t.remembered) >= maxRemembered {
		clear(t.remembered)
	}
	t.remembered[at] = result
	return result, nil
}

// entry is a node that stays, as it is stored.
type entry struct {
	name string
	raw  []byte
}

func (t *treeRewriter) rewriteTree(ctx context.Context, dir string, i id.ID) (rewritten, error) {
	plain, err := t.repo.LoadTree(ctx, i, nil)
	if err != nil {
		return rewritten{}, fmt.Errorf("%s: %w", dir, err)
	}
	var kept []entry
	result := rewritten{tree: i}
	changed := false
	s := tree.NewLightScanner(plain)
	for s.Next() {
		raw, removed, err := t.node(ctx, path.Join(dir, s.Node().Name), s)
		if err != nil {
			return rewritten{}, err
		}
		result.removed.plus(removed)
		changed = changed || len(raw) == 0 || &raw[0] != &s.Raw()[0]
		if raw != nil {
			kept = append(kept, entry{s.Node().Name, raw})
		}
	}
	if err := s.Err(); err != nil {
		return rewritten{}, fmt.Errorf("%s: tree %s: %w", dir, i.Short(), err)
	}
	result.empty = len(kept) == 0
	if changed {
		result.tree, err = t.store(ctx, kept)
	}
	if err != nil {
		return rewritten{}, fmt.Errorf("%s: %w", dir, err)
	}
	return result, nil
}

// node returns the JSON of the node that s stands at as it will be: s.Raw()
// itself, a folder's with another subtree, or nil to leave it out.
func (t *treeRewriter) node(ctx context.Context, at string, s *tree.Scanner) (raw []byte, removed Amount, err error) {
	n := s.Node()
	whole := t.included(at)
	leads := n.Type == tree.Dir && n.Subtree != nil && t.include.ChildMayMatch(at)
	if t.exclude.Match(at) || !whole && !leads {
		t.onExcluded(at)
		if removed, err = t.amount(ctx, n); err != nil {
			err = fmt.Errorf("%s: %w", at, err)
		}
		return nil, removed, err
	}
	if n.Type != tree.Dir || n.Subtree == nil {
		return s.Raw(), Amount{}, nil
	}
	below, err := t.rewrite(ctx, at, *n.Subtree)
	switch {
	case err == nil && !whole && below.empty: // it led to nothing
		t.onExcluded(at)
		return nil, below.removed, nil
	case err != nil || below.tree == *n.Subtree:
		return s.Raw(), Amount{}, err
	}
	raw, err = withSubtree(s.Raw(), *n.Subtree, below.tree)
	return raw, below.removed, err
}

// included tells whether an item, and so all below it, is to stay.
func (t *treeRewriter) included(at string) bool { return len(t.include) == 0 || t.include.Match(at) }

// store stores a tree of nodes as they are. Old programs left some trees in
// disorder; a new one must be in order.
func (t *treeRewriter) store(ctx context.Context, kept []entry) (id.ID, error) {
	slices.SortStableFunc(kept, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	b := tree.NewBuilder()
	for _, e := range kept {
		if err := b.AddRaw(e.name, e.raw); err != nil {
			return id.ID{}, err
		}
	}
	return t.save(ctx, b.Bytes())
}

// amount counts the files at and below a node.
func (t *treeRewriter) amount(ctx context.Context, n *tree.Node) (Amount, error) {
	switch {
	case n.Type == tree.File:
		return Amount{Count: 1, Bytes: n.Size}, nil
	case n.Type != tree.Dir || n.Subtree == nil:
		return Amount{}, nil
	}
	return t.treeAmount(ctx, *n.Subtree)
}

// treeAmount counts the files in a tree and below.
func (t *treeRewriter) treeAmount(ctx context.Context, i id.ID) (Amount, error) {
	if known, ok := t.amounts[i]; ok {
		return known, nil
	}
	plain, err := t.repo.LoadTree(ctx, i, nil)
	if err != nil {
		return Amount{}, err
	}
	var sum Amount
	s := tree.NewLightScanner(plain)
	for s.Next() {
		below, err := t.amount(ctx, s.Node())
		if err != nil {
			return Amount{}, err
		}
		sum.plus(below)
	}
	if len(t.amounts) >= maxRemembered {
		clear(t.amounts)
	}
	t.amounts[i] = sum
	return sum, s.Err()
}

// withSubtree returns the JSON of a folder's node with another subtree and
// all else byte for byte: it may hold fields that only another program knows.
func withSubtree(raw []byte, from, to id.ID) ([]byte, error) {
	was, is := `"`+from.String()+`"`, `"`+to.String()+`"`
	if bytes.Count(raw, []byte(was)) == 1 {
		return bytes.Replace(raw, []byte(was), []byte(is), 1), nil
	}
	// The ID stands for something else too, such as the folder's name.
	whole := slices.Concat([]byte(`{"nodes":[`), raw, []byte(`]}`))
	for e, err := range tree.Nodes(whole) {
		if err != nil {
			return nil, err
		}
		e.Node.Subtree = &to
		return tree.AppendNode(nil, &e.Node), nil
	}
	return nil, errors.New("node without content")
}
