package s3

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

var _ storage.BatchDeleter = (*Store)(nil)

// DeleteBatch deletes up to a thousand objects with each request, or hides
// them where versions are kept; see storage.BatchDeleter. What the service
// does not say is deleted counts as there: silence is no answer.
func (s *Store) DeleteBatch(ctx context.Context, keys []string) (gone []string, err error) {
	if s3utils.IsGoogleEndpoint(*s.core.EndpointURL()) {
		return nil, fmt.Errorf("delete %d objects at once: %w", len(keys), storage.ErrUnsupported)
	}
	names := make(map[string]string, len(keys))
	for _, key := range keys {
		name, err := s.name(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("delete %s: %w", key, own(ctx, err))
		}
		names[name] = key
	}
	// One request after the other, on this goroutine: nothing goes on after
	// the return.
	results, err := s.core.RemoveObjectsWithIter(ctx, s.options.Bucket, func(yield func(minio.ObjectInfo) bool) {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if !yield(minio.ObjectInfo{Key: name}) {
				return
			}
		}
	}, minio.RemoveObjectsOptions{})
	if err != nil {
		return nil, fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	var failure error
	for r := range results {
		key, asked := names[r.ObjectName]
		switch {
		case r.Err != nil:
			failure = r.Err
		case asked:
			gone = append(gone, key)
		}
	}
	if len(gone) > 0 || failure == nil && ctx.Err() == nil {
		return gone, nil
	}
	if failure == nil {
		failure = ctx.Err()
	}
	if isUnknownHere(failure) {
		failure = fmt.Errorf("%w: %w", storage.ErrUnsupported, failure)
	}
	return nil, fmt.Errorf("delete %d objects: %w", len(keys), own(ctx, s.explainWrite(failure)))
}
