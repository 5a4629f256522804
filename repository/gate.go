package repository

import (
	"context"
	"io"

	"holdfast/storage"
)

// gate is a Store whose operations can be held back: all of them while a lock
// that grew stale is brought back, for nothing may be changed by a process that
// perhaps lost its lock, and what changes something while a lock is not certain
// yet. Locks themselves go around the gate.
//
// It holds back the beginning of operations. What is under way goes on, for
// it may wait for a network that comes back only with the lock; when the lock
// turns out to be lost, its context ends it. The stream of a Get is such an
// operation: what it yields is verified, whoever holds the repository.
type gate struct {
	storage.Store

	all, changes barrier
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
	if err := d.g.passChange(ctx); err != nil {
		return nil, err
	}
	return d.BatchDeleter.DeleteBatch(ctx, keys)
}

// freeze holds back operations that begin until thaw is called.
func (g *gate) freeze() (thaw func()) { return g.all.close() }

// hold holds back changes that begin until release is called.
func (g *gate) hold() (release func()) { return g.changes.close() }

// pass waits while the gate is frozen, then returns whether ctx still lives.
func (g *gate) pass(ctx context.Context) error { return g.all.pass(ctx) }

// passChange is pass for what changes something.
func (g *gate) passChange(ctx context.Context) error {
	if err := g.changes.pass(ctx); err != nil {
		return err
	}
	return g.all.pass(ctx)
}

func (g *gate) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if err := g.passChange(ctx); err != nil {
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
	if err := g.passChange(ctx); err != nil {
		return err
	}
	return g.Store.Delete(ctx, key)
}
