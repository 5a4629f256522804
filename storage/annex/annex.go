// Package annex is a storage.Store that keeps what is holdfast's own, below
// holdfast/, in another place than the rest: for servers that hold nothing but
// the files of restic.
package annex

import (
	"context"
	"errors"
	"io"
	"strings"

	"holdfast/storage"
)

// own begins the keys that lie in the annex.
const own = "holdfast/"

// Store is a Store with an annex. Make one with New.
type Store struct {
	storage.Store
	annex storage.Store
}

var _ storage.Wrapper = (*Store)(nil)

// New wraps s. Its powers, such as locking, are those of s alone.
func New(s, annex storage.Store) *Store { return &Store{Store: s, annex: annex} }

// Unwrap returns the store of all other keys.
func (s *Store) Unwrap() storage.Store { return s.Store }

// Close closes both.
func (s *Store) Close() error { return errors.Join(storage.Close(s.Store), storage.Close(s.annex)) }

func (s *Store) of(key string) storage.Store {
	if strings.HasPrefix(key, own) {
		return s.annex
	}
	return s.Store
}

// Put stores body where its key belongs.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	return s.of(key).Put(ctx, key, body, o)
}

// Get reads from where the key belongs.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return s.of(key).Get(ctx, key, offset, length)
}

// Stat asks where the key belongs.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	return s.of(key).Stat(ctx, key)
}

// Delete removes from where the key belongs.
func (s *Store) Delete(ctx context.Context, key string) error { return s.of(key).Delete(ctx, key) }

// List visits what lies in both, each for its keys.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if strings.HasPrefix(prefix, own) {
		return s.annex.List(ctx, prefix, visit)
	}
	err := s.Store.List(ctx, prefix, func(i storage.Info) error {
		if strings.HasPrefix(i.Key, own) {
			return nil
		}
		return visit(i)
	})
	if err != nil || prefix != "" {
		return err
	}
	return s.annex.List(ctx, own, visit)
}
