package restore

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Packs returns the packs that a restore with these options would read file
// content from, with the bytes it needs of each. Files that lie in the target
// with the right size and modification time count as done, as they are once
// Run has finished them. The trees are read, the content is not: it may lie
// where it has to be thawed first.
//
// The caller holds a shared lock and has loaded the index. What is damaged is
// left out, for Run to tell of.
func Packs(ctx context.Context, repo *repository.Repository, s *snapshot.Snapshot, o Options) (map[id.ID]uint64, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	r := newRestorer(repo, o)
	root, err := r.openSnapshot(ctx, s)
	if err != nil {
		return nil, err
	}
	packs := make(map[id.ID]uint64)
	seen := make(map[id.ID]bool) // blobs; 33 bytes each
	err = r.snapshot.Walk(ctx, "/", root, func(path string, n *tree.Node, err error) error {
		if err != nil || n == nil {
			return nil // Run reports it
		}
		selected, below := true, true
		if !o.Filter.isEmpty() {
			selected, below = o.Filter.judge(path)
		}
		switch {
		case n.Type == tree.Dir && !selected && !below:
			return fs.SkipDir
		case n.Type != tree.File || !selected || o.isDone(path, n):
			return nil
		}
		for _, i := range n.Content {
			position, ok := repo.Index().Position(blob.Handle{ID: i, Type: blob.Data})
			if !ok || seen[i] {
				continue
			}
			seen[i] = true
			b := repo.Index().At(position)
			packs[b.Pack] += uint64(b.Length)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the packs of snapshot %s: %w", s.ID.Short(), err)
	}
	return packs, nil
}

// isDone tells whether a file of the target looks finished.
func (o *Options) isDone(path string, n *tree.Node) bool {
	if !o.Overwrite.compares() {
		return false
	}
	info, err := os.Lstat(filepath.Join(o.Target, filepath.FromSlash(path)))
	return err == nil && info.Mode().IsRegular() && uint64(info.Size()) == n.Size && info.ModTime().Equal(n.ModTime) //nolint:gosec // sizes are not negative
}
