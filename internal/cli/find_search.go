package cli

import (
	"context"
	"fmt"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// search goes through snapshots after something. Folders in which there was
// nothing are not read again for the next snapshot.
type search struct {
	c  *command
	fs *snapfs.FS
	r  *repository.Repository
	// barren holds the trees in and below which there is nothing. It is nil
	// if that depends on where the tree is.
	barren *snapfs.BlobSet
	// visit judges one node.
	visit func(parent id.ID, path string, n *tree.Node) (finding, error)
	bad   int
}

// finding is what is to become of a node.
type finding struct {
	hit bool
	// skip leaves out what is below the node.
	skip bool
	// all tells that what is below is found too: barren must not be asked.
	all bool
}

// snapshot searches one snapshot. One that cannot be opened is reported.
func (s *search) snapshot(ctx context.Context, sn *snapshot.Snapshot) error {
	if s.fs == nil {
		f, err := snapfs.Open(ctx, s.r, sn.Tree)
		if err != nil {
			s.report("/", fmt.Errorf("snapshot %s: %w", sn.ID.Short(), err))
			return ctx.Err()
		}
		s.fs = f
	}
	_, err := s.folder(ctx, "/", sn.Tree, false)
	return err
}

// folder searches what is in a folder and tells whether something is there.
// What cannot be read counts as something.
func (s *search) folder(ctx context.Context, path string, folder id.ID, all bool) (found bool, err error) {
	h := blob.Handle{ID: folder, Type: blob.Tree}
	if s.barren != nil && !all && s.barren.Has(h) {
		return false, nil
	}
	for n, err := range s.fs.Nodes(ctx, folder) {
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if err != nil {
			found = true
			s.report(path, err)
			continue
		}
		hit, err := s.node(ctx, path, folder, n, all)
		if err != nil {
			return found, err
		}
		found = found || hit
	}
	if !found && !all && s.barren != nil {
		s.barren.Add(h)
	}
	return found, nil
}

// node searches a node and what is below it.
func (s *search) node(ctx context.Context, folder string, parent id.ID, n *tree.Node, all bool) (found bool, err error) {
	path := snapfs.Join(folder, n.Name)
	v, err := s.visit(parent, path, n)
	if err != nil || n.Type != tree.Dir || v.skip {
		return v.hit, err
	}
	below, err := s.folder(ctx, path, *n.Subtree, all || v.all)
	return v.hit || below, err
}

func (s *search) report(path string, err error) {
	s.bad++
	s.c.ui.warn("find", printable(path), err)
}

// judge returns an error if something could not be searched.
func (s *search) judge() error {
	if s.bad == 0 {
		return nil
	}
	return unreadable(s.bad)
}
