// Package breaker is a storage.Store that stops asking another one which does
// not answer. Whoever can get the same objects elsewhere then need not wait,
// for each of a thousand reads, until it is certain once more that the place
// is down.
//
// It goes around a store that tries again (storage/retry): what fails there
// has failed for a while. Only failures to answer count; "not found" and the
// like are answers (storage.IsPermanent).
package breaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"holdfast/storage"
)

// ErrDown says that the store did not answer a short while ago and was not
// asked again.
var ErrDown = errors.New("storage does not answer")

// Store holds reads of another Store back while that is down. Writes go
// through: those who must write have nowhere else to go. Make one with New.
type Store struct {
	storage.Store
	pause time.Duration

	mu    sync.Mutex
	until time.Time // when the store is asked again
	cause error     // why it is not
}

var _ storage.Wrapper = (*Store)(nil)

// New wraps s. After a read has failed, further ones fail at once for so long.
func New(s storage.Store, pause time.Duration) *Store { return &Store{Store: s, pause: pause} }

// Unwrap returns the store behind.
func (s *Store) Unwrap() storage.Store { return s.Store }

// open returns why the store is not asked now, if so.
func (s *Store) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil || !time.Now().Before(s.until) {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", s.Location(), ErrDown, s.cause)
}

// judge notes what a read returned. A context that ended says nothing about
// the store.
func (s *Store) judge(ctx context.Context, err error) {
	failed := err != nil && !storage.IsPermanent(err) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed:
		s.cause, s.until = err, time.Now().Add(s.pause)
	case err == nil:
		s.cause = nil
	}
}

// Get reads a range; see storage.Store. A stream that breaks counts as well.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	stream, err := s.Store.Get(ctx, key, offset, length)
	s.judge(ctx, err)
	if err != nil {
		return nil, err
	}
	return &watched{ReadCloser: stream, store: s, ctx: ctx}, nil
}

// watched tells the store of what its stream ends with.
type watched struct {
	io.ReadCloser
	store *Store
	ctx   context.Context // of the one Get that hands out this reader
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil {
		w.store.judge(w.ctx, err)
	}
	return n, err
}

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := s.open(); err != nil {
		return storage.Info{}, err
	}
	info, err := s.Store.Stat(ctx, key)
	s.judge(ctx, err)
	return info, err
}

// List lists objects; see storage.Store.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := s.open(); err != nil {
		return err
	}
	var stop error // what visit returned, which says nothing about the store
	err := s.Store.List(ctx, prefix, func(info storage.Info) error {
		stop = visit(info)
		return stop
	})
	if stop == nil {
		s.judge(ctx, err)
	}
	return err
}
