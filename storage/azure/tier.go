package azure

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"holdfast/storage"
)

// The index tag that marks an object as bulk.
const (
	bulkTag   = "holdfast"
	bulkValue = "bulk"
)

func (s *Store) tags(o storage.PutOptions) map[string]string {
	if !o.Bulk || !s.o.MarkBulk {
		return nil
	}
	return map[string]string{bulkTag: bulkValue}
}

func (s *Store) tierOption() *blob.AccessTier {
	if s.o.AccessTier == "" {
		return nil
	}
	return to.Ptr(blob.AccessTier(s.o.AccessTier))
}

// Tier describes where an object lies; see storage.Tiering. It takes a second
// request for blobs that have tags.
func (s *Store) Tier(ctx context.Context, key string) (storage.Tier, error) {
	p, err := s.properties(ctx, key)
	if err != nil {
		return storage.Tier{}, fmt.Errorf("class of %s: %w", key, err)
	}
	t := tierOf(p.AccessTier, p.ArchiveStatus)
	if p.TagCount == nil || *p.TagCount == 0 {
		return t, nil
	}
	tags, err := s.tagsOf(ctx, key)
	if err != nil {
		return storage.Tier{}, fmt.Errorf("tags of %s: %w", key, err)
	}
	t.Bulk = tags[bulkTag] == bulkValue
	return t, nil
}

// tierOf makes a tier of what the service says. A blob that is being
// rehydrated stays in Archive until that is done.
func tierOf[T, A ~string](tier *T, archiveStatus *A) storage.Tier {
	var t storage.Tier
	if tier != nil {
		t.Class = string(*tier)
		t.Cold = t.Class == string(blob.AccessTierArchive)
	}
	t.Thawing = t.Cold && archiveStatus != nil && *archiveStatus != ""
	return t
}

func (s *Store) tagsOf(ctx context.Context, key string) (map[string]string, error) {
	b, err := s.blob(ctx, key)
	if err != nil {
		return nil, err
	}
	answer, err := b.GetTags(ctx, nil)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	tags := map[string]string{}
	for _, tag := range answer.BlobTagSet {
		if tag != nil && tag.Key != nil && tag.Value != nil {
			tags[*tag.Key] = *tag.Value
		}
	}
	return tags, nil
}

// ListTiers visits objects with their classes; see storage.Tiering.
func (s *Store) ListTiers(ctx context.Context, prefix string, visit func(storage.Info, storage.Tier) error) error {
	return s.list(ctx, prefix, container.ListBlobsInclude{}, func(key string, b *container.BlobItem) error {
		t := tierOf(b.Properties.AccessTier, b.Properties.ArchiveStatus)
		t.Thawing = false // not every answer says so
		return visit(infoOf(key, b), t)
	})
}

// MarkBulk marks an object; see storage.Tiering. Other tags stay.
func (s *Store) MarkBulk(ctx context.Context, key string) error {
	tags, err := s.tagsOf(ctx, key)
	if err != nil {
		return fmt.Errorf("mark %s: %w", key, err)
	}
	if tags[bulkTag] == bulkValue {
		return nil
	}
	marked := maps.Clone(tags)
	marked[bulkTag] = bulkValue
	b, err := s.blob(ctx, key)
	if err == nil {
		_, err = b.SetTags(ctx, marked, nil)
	}
	if err != nil {
		return fmt.Errorf("mark %s: %w", key, s.failure(ctx, err))
	}
	return nil
}

// Thaw moves an object from Archive to Hot, which takes hours; see
// storage.Tiering. It stays there: ThawOptions.For means nothing here, and the
// rules that Apply proposes wait a week before they move it again. Hot,
// because Cool and Cold charge for a month at least.
func (s *Store) Thaw(ctx context.Context, key string, o storage.ThawOptions) error {
	priority, err := thawPriority(o.Priority)
	if err != nil {
		return fmt.Errorf("thaw %s: %w", key, err)
	}
	p, err := s.properties(ctx, key)
	if err != nil {
		return fmt.Errorf("thaw %s: %w", key, err)
	}
	if t := tierOf(p.AccessTier, p.ArchiveStatus); !t.Cold || t.Thawing {
		return nil
	}
	b, err := s.blob(ctx, key)
	if err == nil {
		_, err = b.SetTier(ctx, blob.AccessTierHot, &blob.SetTierOptions{RehydratePriority: &priority})
	}
	if err != nil && !hasCode(err, bloberror.BlobBeingRehydrated) {
		return fmt.Errorf("thaw %s: %w", key, s.failure(ctx, err))
	}
	return nil
}

func thawPriority(name string) (blob.RehydratePriority, error) {
	switch {
	case name == "", strings.EqualFold(name, string(blob.RehydratePriorityStandard)):
		return blob.RehydratePriorityStandard, nil
	case strings.EqualFold(name, string(blob.RehydratePriorityHigh)):
		return blob.RehydratePriorityHigh, nil
	default:
		return "", fmt.Errorf("the priority %q: %w; there are Standard (up to 15 hours) and High (most often within one)", name, storage.ErrUnsupported)
	}
}
