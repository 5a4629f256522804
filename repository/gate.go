package repository

import (
	"context"
	"io"
	"sync"

	"holdfast/storage"
)

// gate is a Store whose operations can be held back while a lock that grew
// stale is brought back: nothing may be changed by a process that perhaps
// lost its lock. Locks themselves go around the gate.
//
// It holds back the beginning of operations. What is under way goes on, for
// it may wait for a network that comes back only with the lock; when the lock
// turns out to be lost, its context ends it. The stream of a Get is such an
// operation: what it yields is verified, whoever holds the repository.
type gate struct {
	storage.Store

	mu      sync.Mutex
	holders int           // how many have frozen the gate
	open    chan struct{} // closed when the last of them thaws it
}

var _ storage.PowerWrapper = (*gate)(nil)

// Unwrap returns the store behind the gate.
func (g *gate) Unwrap() storage.Store { return g.Store }

// Power holds back batches of deletions as it does single ones.
func (g *gate) Power(want, have any) any {
	if _, ok := want.(*storage.BatchDeleter); ok {
		return gatedBatches{have.(storage.BatchDeleter), g}
	}
	return have
}

type gatedBatches struct {
	storage.BatchDeleter
	g *gate
}

func (d gatedBatches) DeleteBatch(ctx context.Context, keys []string) ([]string, error) {
	if err := d.g.pass(ctx); err != nil {
		return nil, err
	}
	return d.BatchDeleter.DeleteBatch(ctx, keys)
}

// freeze holds back operations that begin until thaw is called.
func (g *gate) freeze() (thaw func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holders == 0 {
		g.open = make(chan struct{})
	}
	g.holders++
	return g.thaw
}

func (g *gate) thaw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holders--; g.holders == 0 {
		close(g.open)
		g.open = nil
	}
}

func (g *gate) frozen() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// pass waits while the gate is frozen, then returns whether ctx still lives.
func (g *gate) pass(ctx context.Context) error {
	for open := g.frozen(); open != nil; open = g.frozen() {
		select {
		case <-open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return context.Cause(ctx)
}

func (g *gate) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if err := g.pass(ctx); err != nil {
		return err
	}
	return g.Store.Put(ctx, key, body, o)
}

func (g *gate) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := g.pass(ctx); err != nil {
		return nil, err
	}
	return g.Store.Get(ctx, key, offset, length)
}

func (g *gate) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := g.pass(ctx); err != nil {
		return storage.Info{}, err
	}
	return g.Store.Stat(ctx, key)
}

func (g *gate) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := g.pass(ctx); err != nil {
		return err
	}
	return g.Store.List(ctx, prefix, visit)
}

func (g *gate) Delete(ctx context.Context, key string) error {
	if err := g.pass(ctx); err != nil {
		return err
	}
	return g.Store.Delete(ctx, key)
}
