package repository

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/index"
)

// Index is the table of every blob in the repository. It lives in mapped
// files, not in memory, and may be used from many goroutines at once.
type Index = index.Index

// PackContent lists the blobs of one pack, as an index file does.
type PackContent = index.Pack

// indexFolder is where the compiled index lives in the cache folder.
const indexFolder = "index"

// LoadIndex brings the index in line with the index files of the repository.
// Only files that are new since the last call, by any process that shares
// the cache, are read.
func (r *Repository) LoadIndex(ctx context.Context) error {
	if r.index == nil {
		if err := r.openIndex(); err != nil {
			return err
		}
	}
	live, err := fileIDs(ctx, r.store, IndexFile)
	if err != nil {
		return err
	}
	if err := r.index.Sync(ctx, live, r.loadIndexFile); err != nil {
		return fmt.Errorf("load index: %w", err)
	}
	r.retainPacks()
	return nil
}

func (r *Repository) openIndex() error {
	dir, err := r.CacheDir()
	if err != nil {
		return err
	}
	if dir != "" {
		dir = filepath.Join(dir, indexFolder)
	}
	r.index, err = index.Open(dir)
	return err
}

func (r *Repository) loadIndexFile(ctx context.Context, i id.ID) ([]byte, error) {
	return r.LoadUnpacked(ctx, IndexFile, i)
}

// Index returns the index loaded by LoadIndex; nil before.
func (r *Repository) Index() *Index { return r.index }

// DecodeIndexFile calls visit for every pack that one index file lists. It
// serves those who must judge index files one by one, such as check.
func (r *Repository) DecodeIndexFile(ctx context.Context, i id.ID, visit func(pack id.ID, blobs []blob.Blob) error) error {
	plain, err := r.LoadUnpacked(ctx, IndexFile, i)
	if err != nil {
		return err
	}
	var stop error
	err = index.Decode(plain, func(pack id.ID, blobs []blob.Blob) error {
		stop = visit(pack, blobs)
		return stop
	})
	if err != nil && !errors.Is(err, stop) || err != nil && stop == nil {
		return &CorruptError{Kind: IndexFile, ID: i, Err: err}
	}
	return err
}

// SaveIndex stores one index file that lists the given packs, which must be
// durable, and makes it part of the index.
func (r *Repository) SaveIndex(ctx context.Context, packs []PackContent) (id.ID, error) {
	if err := r.writable(); err != nil {
		return id.ID{}, err
	}
	i, err := r.saveUnpacked(ctx, IndexFile, index.Encode(packs))
	if err != nil {
		return id.ID{}, err
	}
	if r.index == nil {
		return i, nil
	}
	return i, r.index.Add(ctx, i, packs)
}
