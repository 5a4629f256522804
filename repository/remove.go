package repository

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository/id"
	"holdfast/storage"
)

const (
	// deletionsAtOnce bounds the deletions under way: enough to hide the
	// latency of a remote store.
	deletionsAtOnce = 8
	// batchSize is how many files are deleted in one request.
	batchSize = 1000
)

// RemoveFiles deletes files, several at once. With failed nil, the first file
// that cannot be deleted ends the work with its error. Otherwise failed is
// told of each, one at a time, and the others are still deleted.
func (r *Repository) RemoveFiles(ctx context.Context, k FileKind, files []id.ID, failed func(i id.ID, err error)) error {
	if err := r.writable(); err != nil {
		return err
	}
	files, err := r.removeBatches(ctx, k, files)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(deletionsAtOnce)
	var telling sync.Mutex
	for _, i := range files {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			err := r.removeFile(gctx, k, i)
			if err == nil || failed == nil || gctx.Err() != nil {
				return err
			}
			telling.Lock()
			defer telling.Unlock()
			failed(i, err)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// removeBatches deletes files in few requests, where the store can, and
// returns those that are perhaps still there.
func (r *Repository) removeBatches(ctx context.Context, k FileKind, files []id.ID) (left []id.ID, err error) {
	batches, ok := storage.As[storage.BatchDeleter](r.store)
	if !ok || len(files) < 2 {
		return files, nil
	}
	for some := range slices.Chunk(files, batchSize) {
		keys := make(map[string]id.ID, len(some))
		var names []string
		for _, i := range some {
			keys[k.Key(i)] = i
			names = append(names, k.Key(i))
		}
		gone, err := batches.DeleteBatch(ctx, names)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && !storage.IsPermanent(err):
			return nil, fmt.Errorf("delete %d files of kind %s: %w", len(some), k, err)
		}
		for _, key := range gone {
			delete(keys, key)
		}
		for _, i := range some { // in their order
			if _, there := keys[k.Key(i)]; there {
				left = append(left, i)
			}
		}
	}
	return left, nil
}
