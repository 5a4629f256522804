package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/storage/throttle"
)

// AsOf returns a read-only view of a store as it was at an instant, for
// stores that keep the versions of what was deleted or replaced since. The
// view has none of the store's powers; closing it closes the store.
func AsOf(ctx context.Context, s storage.Store, t time.Time, o StoreOptions) (storage.Store, error) {
	v, ok := storage.As[storage.Versioned](s)
	err := fmt.Errorf("places of this kind keep no versions: %w", storage.ErrUnsupported)
	if ok {
		err = v.CheckVersions(ctx)
	}
	// Versions that were kept until versioning was switched off are still
	// worth a look, so that is no reason to give up.
	if err != nil && (!ok || !errors.Is(err, storage.ErrUnsupported)) {
		return nil, fmt.Errorf("see %s as it was: %w", s.Location(), err)
	}
	view := retry.New(throttle.New(v.AsOf(t), o.Limits), retry.Policy{Notify: o.Retrying})
	return past{view, s}, nil
}

// past is a view of a store, which it owns.
type past struct {
	storage.Store
	of storage.Store
}

// Close closes the store.
func (p past) Close() error { return storage.Close(p.of) }
