// Package cloud is what the stores of cloud services have in common: a view of
// the past made of versions, a trial of conditional writes, and documents of
// rules that are compared.
package cloud

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"holdfast/storage"
)

// Versions is how a store gets at the versions of an instant. V is what it
// knows of one version.
type Versions[V any] struct {
	// Find returns the version that key had, or storage.ErrNotFound.
	Find func(ctx context.Context, key string) (V, error)
	// Info describes it, and Read reads a range of it.
	Info func(v V, key string) storage.Info
	Read func(ctx context.Context, v V, key string, offset, length int64) (io.ReadCloser, error)
	// List visits the objects there were.
	List func(ctx context.Context, prefix string, visit func(storage.Info) error) error
}

// AsOf is the store at a location as it was at an instant, for reading only.
func AsOf[V any](location string, at time.Time, versions Versions[V]) storage.Store {
	return &past[V]{location: location, at: at, versions: versions, found: map[string]V{}}
}

type past[V any] struct {
	location string
	at       time.Time
	versions Versions[V]

	mu sync.Mutex
	// found remembers which version each key had: a pack is read in many
	// ranges. Some 300 bytes for each object that is read.
	found map[string]V
}

var errPast = fmt.Errorf("a view of the past: %w", storage.ErrReadOnly)

// Put refuses.
func (p *past[V]) Put(_ context.Context, key string, _ storage.Body, _ storage.PutOptions) error {
	return fmt.Errorf("put %s: %w", key, errPast)
}

// Delete refuses.
func (p *past[V]) Delete(_ context.Context, key string) error {
	return fmt.Errorf("delete %s: %w", key, errPast)
}

// Location names the store and the instant.
func (p *past[V]) Location() string { return p.location + " as of " + p.at.Format(time.RFC3339) }

// Get reads a range of the version of then: one request to find it, one to
// read.
func (p *past[V]) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	v, err := p.then(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	r, err := p.versions.Read(ctx, v, key, offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return r, nil
}

// Stat describes the version of then.
func (p *past[V]) Stat(ctx context.Context, key string) (storage.Info, error) {
	v, err := p.then(ctx, key)
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return p.versions.Info(v, key), nil
}

// List visits the objects of then.
func (p *past[V]) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return p.versions.List(ctx, prefix, visit)
}

func (p *past[V]) then(ctx context.Context, key string) (V, error) {
	p.mu.Lock()
	v, ok := p.found[key]
	p.mu.Unlock()
	if ok {
		return v, ctx.Err()
	}
	v, err := p.versions.Find(ctx, key)
	if err != nil {
		return v, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found[key] = v
	return v, nil
}
