package s3

import (
	"context"
	"fmt"
	"strings"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

// List visits the objects below prefix, a thousand for each request; see
// storage.Store. Objects that are none of ours by their names are skipped,
// such as the empty ones that consoles make to show folders.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return s.list(ctx, prefix, minio.ListObjectsOptions{}, func(key string, o *minio.ObjectInfo) error {
		return visit(storage.Info{Key: key, SizeBytes: o.Size, Stored: o.LastModified})
	})
}

func (s *Store) list(ctx context.Context, prefix string, o minio.ListObjectsOptions, visit func(string, *minio.ObjectInfo) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := s.locate(ctx); err != nil {
		return fmt.Errorf("list %s: %w", prefix, own(ctx, err))
	}
	// The listing ends with this call, whatever ends it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	owner := false
	o.Prefix, o.Recursive, o.UseV1, o.FetchOwner = s.root+prefix, true, s.options.ListV1, &owner
	for object := range s.core.ListObjectsIter(ctx, s.options.Bucket, o) {
		if object.Err != nil {
			return fmt.Errorf("list %s: %w", prefix, own(ctx, s.explain(object.Err)))
		}
		key, ok := s.key(object.Key)
		if !ok {
			continue
		}
		if err := visit(key, &object); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// key is the reverse of name; ok is false for names that no key has.
func (s *Store) key(name string) (key string, ok bool) {
	key, ok = strings.CutPrefix(name, s.root)
	return key, ok && storage.CheckKey(key) == nil
}
