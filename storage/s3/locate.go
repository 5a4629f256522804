package s3

import (
	"context"
	"sync/atomic"
)

// locating makes one request for the region of a bucket out of many: the
// first operations of a command begin at the same time.
type locating struct {
	turn chan struct{} // holds a token while somebody asks
	done atomic.Bool
}

// locate asks for the region of the bucket if nothing has told it; minio-go
// keeps the answer. Every operation on objects begins here, so this is also
// where an ended context stops it.
func (s *Store) locate(ctx context.Context) error {
	if ctx.Err() != nil || s.locating.done.Load() {
		return ctx.Err()
	}
	select {
	case s.locating.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.locating.turn }()
	if s.locating.done.Load() {
		return nil
	}
	if _, err := s.core.GetBucketLocation(ctx, s.options.Bucket); err != nil {
		return s.explain(err)
	}
	s.locating.done.Store(true)
	return nil
}
