package gcs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"holdfast/storage"
)

// Tier describes where an object lies; see storage.Tiering. No class is cold.
func (s *Store) Tier(ctx context.Context, key string) (storage.Tier, error) {
	o, err := s.describe(ctx, key, 0, "storageClass,customTime")
	if err != nil {
		return storage.Tier{}, fmt.Errorf("class of %s: %w", key, err)
	}
	return storage.Tier{Class: o.StorageClass, Bulk: o.CustomTime != ""}, nil
}

// ListTiers visits objects with their classes; see storage.Tiering.
func (s *Store) ListTiers(ctx context.Context, prefix string, visit func(storage.Info, storage.Tier) error) error {
	return s.list(ctx, prefix, url.Values{}, "name,size,timeCreated,storageClass", func(key string, o object) error {
		return visit(o.info(key), storage.Tier{Class: o.StorageClass})
	})
}

// MarkBulk marks an object; see storage.Tiering. The mark cannot be taken
// away again, and rules count from the instant it was made.
func (s *Store) MarkBulk(ctx context.Context, key string) error {
	o, err := s.describe(ctx, key, 0, "customTime")
	if err == nil && o.CustomTime == "" {
		err = s.mark(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("mark %s: %w", key, err)
	}
	return nil
}

func (s *Store) mark(ctx context.Context, key string) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	return s.c.call(ctx, http.MethodPatch, s.c.object(name), url.Values{"fields": {"customTime"}}, map[string]any{"customTime": markTime()}, nil)
}

// Thaw has nothing to do: what is there can be read.
func (s *Store) Thaw(ctx context.Context, key string, _ storage.ThawOptions) error {
	if _, err := s.Stat(ctx, key); err != nil {
		return fmt.Errorf("thaw %s: %w", key, err)
	}
	return nil
}
