package upkeep

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// treesAtOnce bounds the trees being read in parallel.
const treesAtOnce = 6

// MissingError says that a snapshot needs a blob which no index file lists.
type MissingError struct {
	Blob blob.Handle
	// Tree is where it is needed, for the file or folder Name. Both are zero
	// for the root of a snapshot.
	Tree id.ID
	Name string
}

func (e *MissingError) Error() string {
	if e.Tree.IsZero() {
		return fmt.Sprintf("%s, the root of a snapshot, is in no index file", e.Blob)
	}
	return fmt.Sprintf("%s, which %q in tree %s needs, is in no index file", e.Blob, e.Name, e.Tree.Short())
}

// reach finds all blobs that trees need, by walking down from the roots. Its
// memory is one bit for each blob of the repository and four bytes for each
// folder that is known but not yet read.
type reach struct {
	repo *repository.Repository
	// index gives the positions; it must not change.
	index *repository.Index
	// found holds the positions of the blobs found so far.
	found bitset
	// before, if set, tells of blobs that were found by an earlier walk, with
	// all that is below them.
	before func(h blob.Handle) bool
	// each, if set, is told of every blob found, once, from several
	// goroutines.
	each func(ctx context.Context, h blob.Handle, position int) error
	// trees is counted up for every tree read.
	trees *Counter
}

// from walks down from some roots. What was found before is not read again.
func (w *reach) from(ctx context.Context, roots []id.ID) error {
	s := newTreeStack()
	for _, root := range roots {
		p, err := w.find(ctx, blob.Handle{ID: root, Type: blob.Tree}, id.ID{}, "")
		if err != nil {
			return err
		}
		if p != known {
			s.positions = append(s.positions, uint32(p)) //nolint:gosec // an index has fewer than 2^32 entries
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(gctx, s.stop)()
	for range treesAtOnce {
		g.Go(func() error { return w.work(gctx, s) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// work reads trees from the stack until there are no more.
func (w *reach) work(ctx context.Context, s *treeStack) error {
	scanner := tree.NewLightScanner(nil)
	var plain []byte
	var below []uint32
	for {
		position, ok := s.pop()
		if !ok {
			return nil
		}
		i := w.index.At(int(position)).ID
		var err error
		plain, err = w.repo.LoadTree(ctx, i, plain)
		if err == nil {
			scanner.Reset(plain)
			below, err = w.scan(ctx, i, scanner, below[:0])
		}
		if err != nil {
			return fmt.Errorf("read tree %s: %w", i.Short(), err)
		}
		w.trees.Items.Add(1)
		s.push(below)
	}
}

// scan finds the blobs that one tree needs, and appends the trees among them
// that were not found before.
func (w *reach) scan(ctx context.Context, i id.ID, s *tree.Scanner, below []uint32) ([]uint32, error) {
	for s.Next() {
		n := s.Node()
		for _, c := range n.Content {
			if _, err := w.find(ctx, blob.Handle{ID: c, Type: blob.Data}, i, n.Name); err != nil {
				return below, err
			}
		}
		if n.Subtree == nil {
			continue
		}
		p, err := w.find(ctx, blob.Handle{ID: *n.Subtree, Type: blob.Tree}, i, n.Name)
		if err != nil {
			return below, err
		}
		if p != known {
			below = append(below, uint32(p)) //nolint:gosec // see from
		}
	}
	return below, s.Err()
}

// known stands for the position of a blob that was found before.
const known = -1

// find notes a blob, and returns its position if it is new.
func (w *reach) find(ctx context.Context, h blob.Handle, in id.ID, name string) (int, error) {
	if w.before != nil && w.before(h) {
		return known, nil
	}
	p, ok := w.index.Position(h)
	if !ok {
		return known, &MissingError{Blob: h, Tree: in, Name: name}
	}
	if !w.found.add(p) {
		return known, nil
	}
	if w.each == nil {
		return p, nil
	}
	return p, w.each(ctx, h, p)
}
