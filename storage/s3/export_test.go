package s3

import (
	"context"
	"time"
)

// SetParts makes bodies above a size go up in parts of another size.
func (s *Store) SetParts(aboveBytes, partBytes int64) {
	s.parts = partRule{aboveBytes: aboveBytes, partBytes: partBytes, atOnce: 4}
}

// Creating tells what is known about conditional writes.
func (s *Store) Creating() Answer { return s.creating.known() }

// CleanBefore is Clean for uploads below root that began before an instant.
func (s *Store) CleanBefore(ctx context.Context, root string, before time.Time) error {
	s.root = root
	return s.clean(ctx, before)
}

// URLOf is where the object under a key is asked for.
func (s *Store) URLOf(ctx context.Context, key string) (string, error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return "", err
	}
	u, err := s.core.PresignedGetObject(ctx, s.options.Bucket, name, time.Minute, nil)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host + u.Path, nil
}
