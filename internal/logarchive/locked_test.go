package logarchive_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// refusing is a store that does not even hide what is locked, as Azure's is.
type refusing struct{ *mem.Bucket }

func (s refusing) Delete(ctx context.Context, key string) error {
	r, err := s.Retention(ctx, key)
	if err == nil && !r.IsZero() {
		return storage.ErrImmutable
	}
	return s.Bucket.Delete(ctx, key)
}

// What is locked stays, all else goes, and it is told until when.
func TestRemoveLocked(t *testing.T) {
	k := newKeys(t)
	store := refusing{mem.NewBucket(mem.BucketOptions{Settings: storage.Settings{Versioning: storage.On, Locking: storage.On}})}
	appendAll(t, k.writer(t, store), 1, 1, 4)
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	for _, key := range keysOf(t, store, segment(1, 2).Name) {
		if err := store.Extend(t.Context(), key, storage.Retention{Mode: storage.Governance, Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	archive := k.reader(t, store)
	err := archive.Remove(t.Context(), []logarchive.Segment{segment(1, 1), segment(1, 2), segment(1, 3)})
	var locked *logarchive.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, storage.ErrImmutable) || len(locked.Segments) != 1 || locked.Segments[0] != segment(1, 2) || !locked.Until.Equal(until) {
		t.Fatalf("remove: %v, %+v", err, locked)
	}
	wantContent(t, archive, 1, 2)
	for _, n := range []int{1, 3} {
		if _, err := archive.Fetch(t.Context(), segment(1, n), io.Discard); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("segment %d: %v", n, err)
		}
	}
}
