package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

// Delete removes an object, or hides it where versions are kept. It returns
// nil, too, when there is none: the service does not tell, and to ask it first
// would double the requests of a prune.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	err = s.core.RemoveObject(ctx, s.options.Bucket, name, minio.RemoveObjectOptions{})
	if err = s.explainWrite(err); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", key, own(ctx, err))
	}
	return nil
}

// abandonedAfter is the age from which on an unfinished upload belongs to
// nobody: no single object takes so long.
const abandonedAfter = 24 * time.Hour

// Clean ends uploads in parts that were begun and left; their parts are kept,
// and charged for, until then. See storage.Cleaner.
func (s *Store) Clean(ctx context.Context) error {
	return s.clean(ctx, time.Now().Add(-abandonedAfter))
}

// clean ends the uploads that were begun before an instant.
func (s *Store) clean(ctx context.Context, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failures []error
	for u := range s.core.ListIncompleteUploads(ctx, s.options.Bucket, s.root, true) {
		if isUnknownHere(u.Err) || isDenied(u.Err) {
			return nil // then a lifecycle rule has to do it
		}
		if u.Err != nil {
			return fmt.Errorf("list unfinished uploads: %w", own(ctx, s.explain(u.Err)))
		}
		if !strings.HasPrefix(u.Key, s.root) || u.Initiated.After(before) {
			continue
		}
		if err := s.core.AbortMultipartUpload(ctx, s.options.Bucket, u.Key, u.UploadID); err != nil {
			failures = append(failures, fmt.Errorf("end the unfinished upload of %s: %w", u.Key, s.explainWrite(err)))
		}
	}
	return errors.Join(failures...)
}
