// Package mem is a storage.Store in memory: for tests, and for dry work whose
// result nobody keeps.
//
// It obeys the whole contract except that nothing outlives the process. Clone
// makes a second store with the same objects at the cost of one map, so that
// a test can start from the same repository many times over.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"holdfast/storage"
)

// Store keeps objects in a map. Make one with New.
type Store struct {
	mu      sync.RWMutex
	objects map[string][]byte // the bytes of an entry never change
}

var (
	_ storage.Store   = (*Store)(nil)
	_ storage.Spooler = (*Store)(nil)
)

// New makes an empty store.
func New() *Store { return &Store{objects: map[string][]byte{}} }

// Clone makes a store that holds the same objects; later changes to one of
// the two are not seen by the other.
func (s *Store) Clone() *Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Store{objects: maps.Clone(s.objects)}
}

// Overwrite makes key hold data, whether it existed or not. No store offers
// this; tests use it to play a disk that damages what it keeps.
func (s *Store) Overwrite(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = bytes.Clone(data)
}

// Put stores a copy of body, or the bytes themselves when body is a spool of
// this package.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	if !o.Retention.IsZero() {
		return fmt.Errorf("put %s: retention: %w", key, storage.ErrUnsupported)
	}
	if s.has(key) { // spares reading the body; decided again below
		return fmt.Errorf("put %s: %w", key, storage.ErrExists)
	}
	data, err := readBody(ctx, body)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; ok {
		return fmt.Errorf("put %s: %w", key, storage.ErrExists)
	}
	s.objects[key] = data
	return nil
}

func (s *Store) has(key string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.objects[key]
	return ok
}

// readBody returns all of body, looking at ctx between pieces.
func readBody(ctx context.Context, body storage.Body) ([]byte, error) {
	if sp, ok := body.(*spool); ok {
		return sp.bytes()
	}
	const pieceBytes = 1 << 20
	data := make([]byte, body.Size())
	for off := 0; off < len(data); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		piece := data[off:min(off+pieceBytes, len(data))]
		n, err := body.ReadAt(piece, int64(off))
		if off += n; n == len(piece) {
			continue
		}
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read body: %w", err)
	}
	return data, ctx.Err()
}

// Get reads a range; see storage.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	data, err := s.lookup(ctx, key)
	if err != nil {
		return nil, err
	}
	return rangeOf(ctx, key, data, offset, length)
}

// rangeOf returns a reader of a part of an object.
func rangeOf(ctx context.Context, key string, data []byte, offset, length int64) (io.ReadCloser, error) {
	size := int64(len(data))
	if err := storage.CheckRange(key, offset, size); err != nil {
		return nil, err
	}
	if length < 0 {
		length = size - offset
	}
	if length > math.MaxInt64-offset || offset+length > size {
		return nil, fmt.Errorf("read %s: object has %d bytes: %w", key, size, io.ErrUnexpectedEOF)
	}
	return &reader{ctx: ctx, Reader: bytes.NewReader(data[offset : offset+length])}, nil
}

// reader stops when the context of its Get ends.
type reader struct {
	ctx context.Context // of one call of Get, which hands out this reader
	*bytes.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *reader) Close() error { return nil }

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	data, err := s.lookup(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	return storage.Info{Key: key, SizeBytes: int64(len(data))}, nil
}

// List visits the objects there are when it begins, in the order of their
// keys, so that tests see the same order every time.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	for _, info := range s.snapshot(prefix) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(info); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) snapshot(prefix string) []storage.Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var infos []storage.Info
	for key, data := range s.objects {
		if strings.HasPrefix(key, prefix) {
			infos = append(infos, storage.Info{Key: key, SizeBytes: int64(len(data))})
		}
	}
	slices.SortFunc(infos, func(a, b storage.Info) int { return strings.Compare(a.Key, b.Key) })
	return infos
}

// Delete removes an object; see storage.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; !ok {
		return fmt.Errorf("delete %s: %w", key, storage.ErrNotFound)
	}
	delete(s.objects, key)
	return nil
}

// Location names the store.
func (s *Store) Location() string { return "memory" }

func (s *Store) lookup(ctx context.Context, key string) ([]byte, error) {
	if err := checkCall(ctx, key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	data, ok := s.objects[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	return data, nil
}

func checkCall(ctx context.Context, key string) error {
	if err := storage.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}
