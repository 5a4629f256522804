package mem

import (
	"context"
	"fmt"
	"time"

	"holdfast/storage"
)

// CheckLocking tells whether objects can be locked; see storage.Locker.
func (b *Bucket) CheckLocking(ctx context.Context) error {
	if b.settings.Locking != storage.On {
		return fmt.Errorf("the bucket was made without object lock: %w", storage.ErrUnsupported)
	}
	return ctx.Err()
}

// Retention returns what protects an object; see storage.Locker.
func (b *Bucket) Retention(ctx context.Context, key string) (storage.Retention, error) {
	if err := checkCall(ctx, key); err != nil {
		return storage.Retention{}, err
	}
	now, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return storage.Retention{}, fmt.Errorf("retention of %s: %w", key, storage.ErrNotFound)
	}
	if !v.locked(now) {
		return storage.Retention{}, nil
	}
	return v.retention, nil
}

// Extend protects an object for longer; see storage.Locker.
func (b *Bucket) Extend(ctx context.Context, key string, r storage.Retention) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	if err := b.CheckLocking(ctx); err != nil {
		return fmt.Errorf("extend %s: %w", key, err)
	}
	_, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return fmt.Errorf("extend %s: %w", key, storage.ErrNotFound)
	}
	if r.Until.After(v.retention.Until) {
		v.retention.Until = r.Until
	}
	if v.retention.Mode != storage.Compliance {
		v.retention.Mode = r.Mode
	}
	return nil
}

// EraseVersions deletes every version of key for good, as somebody does who
// may delete versions. Locked versions stay, and give storage.ErrImmutable.
func (b *Bucket) EraseVersions(key string) error {
	now, leave := b.enter()
	defer leave()
	return b.erase(key, func(v *version) bool { return !v.locked(now) })
}

func (b *Bucket) erase(key string, may func(*version) bool) error {
	var left []*version
	for _, v := range b.objects[key] {
		if !v.marker && !may(v) {
			left = append(left, v)
		}
	}
	if len(left) == 0 {
		delete(b.objects, key)
		return nil
	}
	left[len(left)-1].replaced = time.Time{}
	b.objects[key] = left
	return fmt.Errorf("erase %s: %w", key, storage.ErrImmutable)
}
