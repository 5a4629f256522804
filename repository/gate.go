package repository

import (
	"context"
	"io"
	"sync"

	"holdfast/storage"
)

// gate is a Store whose operations can be held back while a lock that grew
// stale is brought back: nothing may be written by a process that perhaps
// lost its lock. Locks themselves go around the gate.
type gate struct {
	storage.Store
	mu sync.RWMutex
}

var _ storage.Wrapper = (*gate)(nil)

// Unwrap returns the store behind the gate.
func (g *gate) Unwrap() storage.Store { return g.Store }

// freeze waits for operations under way and holds back new ones until thaw
// is called.
func (g *gate) freeze() (thaw func()) {
	g.mu.Lock()
	return g.mu.Unlock
}

// pass waits while the gate is frozen, then returns whether ctx still lives.
func (g *gate) pass(ctx context.Context) (leave func(), err error) {
	g.mu.RLock()
	if err := context.Cause(ctx); err != nil {
		g.mu.RUnlock()
		return nil, err
	}
	return g.mu.RUnlock, nil
}

func (g *gate) Put(ctx context.Context, key string, body storage.Body) error {
	leave, err := g.pass(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return g.Store.Put(ctx, key, body)
}

func (g *gate) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	leave, err := g.pass(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return g.Store.Get(ctx, key, offset, length)
}

func (g *gate) Stat(ctx context.Context, key string) (storage.Info, error) {
	leave, err := g.pass(ctx)
	if err != nil {
		return storage.Info{}, err
	}
	defer leave()
	return g.Store.Stat(ctx, key)
}

func (g *gate) Delete(ctx context.Context, key string) error {
	leave, err := g.pass(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return g.Store.Delete(ctx, key)
}
