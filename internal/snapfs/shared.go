package snapfs

import (
	"context"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// Shared opens many file systems of one repository that share the memory for
// blobs, as one that shows all snapshots needs. It may be used from many
// goroutines at once.
type Shared struct {
	repo  *repository.Repository
	blobs *cache
}

// NewShared returns a Shared that keeps up to the given number of bytes of
// blobs. The index of the repository is loaded.
func NewShared(r *repository.Repository, roomBytes int) *Shared {
	return &Shared{repo: r, blobs: newCache(roomBytes, func(ctx context.Context, h blob.Handle) ([]byte, error) {
		return r.LoadBlob(ctx, h, nil)
	})}
}

// Open is the function Open with shared memory.
func (s *Shared) Open(ctx context.Context, root id.ID) (*FS, error) {
	f := &FS{repo: s.repo, root: root, blobs: s.blobs}
	if _, err := f.tree(ctx, root); err != nil {
		return nil, fmt.Errorf("open root folder: %w", err)
	}
	return f, nil
}

// At is Open without making sure that the tree can be read.
func (s *Shared) At(root id.ID) *FS { return &FS{repo: s.repo, root: root, blobs: s.blobs} }
