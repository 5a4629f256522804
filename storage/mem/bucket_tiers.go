package mem

import (
	"context"
	"fmt"
	"time"

	"holdfast/storage"
)

func (b *Bucket) tier(v *version, now time.Time) storage.Tier {
	t := storage.Tier{Class: v.class, Bulk: v.bulk}
	_, cold := b.o.Cold[v.class]
	switch {
	case !cold:
	case now.Before(v.readable):
		t.Cold, t.Thawing = true, true
	case now.Before(v.forgets):
		t.ThawedUntil = v.forgets
	default:
		t.Cold = true
	}
	return t
}

// Tier describes where an object lies; see storage.Tiering.
func (b *Bucket) Tier(ctx context.Context, key string) (storage.Tier, error) {
	if err := checkCall(ctx, key); err != nil {
		return storage.Tier{}, err
	}
	now, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return storage.Tier{}, fmt.Errorf("class of %s: %w", key, storage.ErrNotFound)
	}
	return b.tier(v, now), nil
}

// ListTiers visits the current versions with their classes, in the order of
// their keys. As with real services, thawed copies are not told of.
func (b *Bucket) ListTiers(ctx context.Context, prefix string, visit func(storage.Info, storage.Tier) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	type item struct {
		info storage.Info
		tier storage.Tier
	}
	_, leave := b.enter()
	var items []item
	for _, key := range b.sorted(prefix) {
		if v := b.current(key); v != nil {
			_, cold := b.o.Cold[v.class]
			items = append(items, item{v.info(key), storage.Tier{Class: v.class, Cold: cold}})
		}
	}
	leave()
	for _, i := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(i.info, i.tier); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// MarkBulk marks an object; see storage.Tiering.
func (b *Bucket) MarkBulk(ctx context.Context, key string) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	_, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return fmt.Errorf("mark %s: %w", key, storage.ErrNotFound)
	}
	v.bulk = true
	return nil
}

// Thaw asks for an object to become readable; see storage.Tiering.
func (b *Bucket) Thaw(ctx context.Context, key string, o storage.ThawOptions) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	now, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return fmt.Errorf("thaw %s: %w", key, storage.ErrNotFound)
	}
	switch t := b.tier(v, now); {
	case !t.ThawedUntil.IsZero():
		v.forgets = now.Add(o.For)
		return nil
	case !t.Cold, t.Thawing:
		return nil
	}
	v.readable = now.Add(b.o.Cold[v.class])
	v.forgets = v.readable.Add(o.For)
	return nil
}
