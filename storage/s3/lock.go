package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

var _ storage.Locker = (*Store)(nil)

// serviceMode is the name that S3 has for a mode; the same, in capitals.
func serviceMode(m storage.RetentionMode) minio.RetentionMode {
	return minio.RetentionMode(strings.ToUpper(string(m)))
}

func ourMode(m minio.RetentionMode) storage.RetentionMode {
	return storage.RetentionMode(strings.ToLower(string(m)))
}

// CheckLocking tells whether the bucket has object lock; see storage.Locker.
func (s *Store) CheckLocking(ctx context.Context) error {
	state, _, _, _, err := s.core.GetObjectLockConfig(ctx, s.options.Bucket)
	switch {
	case isAboutLocking(err), err == nil && state != "Enabled":
		return fmt.Errorf("%w: the bucket %q has no object lock: make a new one with it (-o s3.object-lock=true when a repository is made) and copy there, "+
			"or have the service turn it on where it does that", storage.ErrUnsupported, s.options.Bucket)
	case err != nil:
		return fmt.Errorf("read the object lock settings of the bucket: %w", own(ctx, s.explain(err)))
	}
	return nil
}

// isAboutLocking tells whether the service says that nothing can be locked
// here. Some say so in words only.
func isAboutLocking(err error) bool {
	r, ok := answer(err)
	switch {
	case !ok:
		return false
	case r.Code == "ObjectLockConfigurationNotFoundError", r.Code == "InvalidBucketObjectLockConfiguration":
		return true
	case r.Code == "InvalidRequest", r.Code == "InvalidArgument":
		m := strings.ToLower(strings.ReplaceAll(r.Message, " ", ""))
		return strings.Contains(m, "objectlock")
	}
	return false
}

// Retention returns what protects the current version; see storage.Locker.
func (s *Store) Retention(ctx context.Context, key string) (storage.Retention, error) {
	r, err := s.retention(ctx, key)
	if err != nil {
		return r, fmt.Errorf("retention of %s: %w", key, own(ctx, err))
	}
	return r, nil
}

func (s *Store) retention(ctx context.Context, key string) (storage.Retention, error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return storage.Retention{}, err
	}
	mode, until, err := s.core.GetObjectRetention(ctx, s.options.Bucket, name, "")
	switch {
	case code(err) == "NoSuchObjectLockConfiguration":
		return storage.Retention{}, nil
	case isAboutLocking(err): // a bucket without: nothing protects anything
		return storage.Retention{}, nil
	case err != nil:
		return storage.Retention{}, s.explain(err)
	case *mode == "" || until == nil:
		return storage.Retention{}, nil
	}
	return storage.Retention{Mode: ourMode(*mode), Until: *until}, nil
}

// Extend protects the current version for longer; see storage.Locker. S3
// itself refuses to shorten a retention, or to loosen it, unless it is told to
// by somebody who may; so what is wanted is set at once, and only when that is
// refused one looks at what there is.
func (s *Store) Extend(ctx context.Context, key string, r storage.Retention) error {
	if err := s.extend(ctx, key, r); err != nil {
		return fmt.Errorf("extend the retention of %s: %w", key, own(ctx, err))
	}
	return nil
}

func (s *Store) extend(ctx context.Context, key string, want storage.Retention) error {
	refused := s.setRetention(ctx, key, want, false)
	if !errors.Is(refused, fs.ErrPermission) && !errors.Is(refused, storage.ErrImmutable) {
		return refused
	}
	is, err := s.retention(ctx, key)
	if err != nil {
		return refused
	}
	better := stricter(is, want)
	if better == is {
		return nil
	}
	// From governance to compliance is a change that MinIO wants to be forced.
	force := is.Mode == storage.Governance && better.Mode == storage.Compliance
	if better == want && !force {
		return refused
	}
	return s.setRetention(ctx, key, better, force)
}

// stricter is the retention that protects as long and as well as both.
func stricter(is, want storage.Retention) storage.Retention {
	want.Until = wholeSeconds(want.Until)
	if !is.Until.Before(want.Until) {
		want.Until = is.Until
	}
	if is.Mode == storage.Compliance {
		want.Mode = is.Mode
	}
	return want
}

func (s *Store) setRetention(ctx context.Context, key string, r storage.Retention, force bool) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	mode, until := serviceMode(r.Mode), wholeSeconds(r.Until).UTC()
	err = s.core.PutObjectRetention(ctx, s.options.Bucket, name, minio.PutObjectRetentionOptions{
		Mode: &mode, RetainUntilDate: &until, GovernanceBypass: force,
	})
	if isAboutLocking(err) {
		return fmt.Errorf("%w: %w: the bucket has no object lock", storage.ErrUnsupported, err)
	}
	return s.explainWrite(err)
}
