package s3

import (
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/tags"
)

var _ storage.Tiering = (*Store)(nil)

// The tag that marks bulk objects. Lifecycle rules are bound to it.
const (
	bulkTag      = "holdfast"
	bulkTagValue = "bulk"
)

// isCold tells whether objects of a class have to be thawed before they can
// be read. GLACIER_IR, despite its name, is read at once.
func (o *Options) isCold(class string) bool {
	return class == "GLACIER" || class == "DEEP_ARCHIVE" || slices.Contains(o.ColdClasses, class)
}

// classFor is the class that an object is put into; "" for the bucket's own.
func (o *Options) classFor(bulk bool) string {
	if !bulk && o.isCold(o.StorageClass) {
		return ""
	}
	return o.StorageClass
}

// keyForReading is the encryption that has to be named again whenever an
// object is read: that with an own key.
func (s *Store) keyForReading() encrypt.ServerSide {
	if s.sse != nil && s.sse.Type() == encrypt.SSEC {
		return s.sse
	}
	return nil
}

// Tier describes where an object lies, in one request, or two for objects
// with tags; see storage.Tiering.
func (s *Store) Tier(ctx context.Context, key string) (storage.Tier, error) {
	t, err := s.tier(ctx, key)
	if err != nil {
		return t, fmt.Errorf("class of %s: %w", key, own(ctx, err))
	}
	return t, nil
}

func (s *Store) tier(ctx context.Context, key string) (storage.Tier, error) {
	o, err := s.head(ctx, version{key: key}, false)
	if err != nil {
		return storage.Tier{}, err
	}
	// Objects of Intelligent-Tiering that lie in its archives say so here only.
	archived := o.Headers.Get("X-Amz-Archive-Status") != ""
	t := s.options.tierOf(o.Headers.Get("X-Amz-Storage-Class"), archived, o.Restore, time.Now())
	if o.UserTagCount == 0 {
		return t, nil
	}
	found, err := s.tags(ctx, key)
	if err != nil {
		return t, err
	}
	t.Bulk = found.ToMap()[bulkTag] == bulkTagValue
	return t, nil
}

// tierOf says what a class and a state of thawing mean for a reader.
func (o *Options) tierOf(class string, archived bool, thaw *minio.RestoreInfo, now time.Time) storage.Tier {
	t := storage.Tier{Class: class, Cold: archived || o.isCold(class)}
	if class == "" {
		t.Class = "STANDARD" // the one class that is not told
	}
	switch {
	case thaw == nil:
	case thaw.OngoingRestore:
		t.Thawing = true
	case thaw.ExpiryTime.After(now):
		t.Cold, t.ThawedUntil = false, thaw.ExpiryTime
	}
	return t
}

// ListTiers is List with classes; see storage.Tiering. Where the service tells
// of thawed copies in listings, they do not count as cold.
func (s *Store) ListTiers(ctx context.Context, prefix string, visit func(storage.Info, storage.Tier) error) error {
	o := minio.ListObjectsOptions{WithRestoreStatus: true}
	now := time.Now()
	return s.list(ctx, prefix, o, func(key string, o *minio.ObjectInfo) error {
		t := s.options.tierOf(o.StorageClass, false, o.Restore, now)
		return visit(storage.Info{Key: key, SizeBytes: o.Size, Stored: o.LastModified}, storage.Tier{Class: t.Class, Cold: t.Cold, ThawedUntil: t.ThawedUntil})
	})
}

func (s *Store) tags(ctx context.Context, key string) (*tags.Tags, error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return nil, err
	}
	found, err := s.core.GetObjectTagging(ctx, s.options.Bucket, name, minio.GetObjectTaggingOptions{})
	if code(err) == "NoSuchTagSet" {
		return tags.NewTags(nil, true)
	}
	return found, s.explain(err)
}

// MarkBulk adds our tag to those an object has; see storage.Tiering.
func (s *Store) MarkBulk(ctx context.Context, key string) error {
	if err := s.markBulk(ctx, key); err != nil {
		return fmt.Errorf("mark %s: %w", key, own(ctx, err))
	}
	return nil
}

func (s *Store) markBulk(ctx context.Context, key string) error {
	found, err := s.tags(ctx, key)
	if err != nil || found.ToMap()[bulkTag] == bulkTagValue {
		return err
	}
	if err := found.Set(bulkTag, bulkTagValue); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnsupported, err) // ten others already
	}
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	return s.explainWrite(s.core.PutObjectTagging(ctx, s.options.Bucket, name, found, minio.PutObjectTaggingOptions{}))
}

// cheapestThaw is the speed that costs least, in every cold class.
const cheapestThaw = "Bulk"

// Thaw asks for an object to become readable; see storage.Tiering.
func (s *Store) Thaw(ctx context.Context, key string, o storage.ThawOptions) error {
	if err := s.thaw(ctx, key, o); err != nil {
		return fmt.Errorf("thaw %s: %w", key, own(ctx, err))
	}
	return nil
}

func (s *Store) thaw(ctx context.Context, key string, o storage.ThawOptions) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	priority := o.Priority
	if priority == "" {
		priority = cheapestThaw
	}
	var r minio.RestoreRequest
	r.SetDays(max(1, wholeDays(o.For)))
	r.SetGlacierJobParameters(minio.GlacierJobParameters{Tier: minio.TierType(priority)})
	err = s.core.RestoreObject(ctx, s.options.Bucket, name, "", r)
	switch code(err) {
	case "RestoreAlreadyInProgress": // asked for before
		return nil
	case "InvalidObjectState": // it lies in a class that is read at once
		return nil
	}
	return s.explainWrite(err)
}

// wholeDays rounds up: what is to stay for 36 hours stays for two days.
func wholeDays(d time.Duration) int {
	const day = 24 * time.Hour
	return int((d + day - 1) / day)
}
