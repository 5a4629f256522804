// Package breaker is a storage.Store that stops asking another one which does
// not answer. Whoever can get the same objects elsewhere then need not wait,
// for each of a thousand reads, until it is certain once more that the place
// is down.
//
// It goes around a store that tries again (storage/retry): what fails there
// has failed for a while. Only failures to answer count; "not found" and the
// like are answers (storage.IsPermanent). One that takes a request and then says
// nothing is as good as down, and is given up.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"holdfast/storage"
)

// ErrDown says that the store did not answer a short while ago and was not
// asked again.
var ErrDown = errors.New("storage does not answer")

// errSilent says that a store took a request and said nothing for too long.
var errSilent = errors.New("no answer")

// longestPause bounds how many pauses a store is left alone that is found down
// again and again.
const longestPause = 16

// Store holds reads of another Store back while that is down. Writes go
// through: those who must write have nowhere else to go. Make one with New.
type Store struct {
	storage.Store
	pause, silence time.Duration

	mu     sync.Mutex
	until  time.Time // when the store is asked again
	cause  error     // why it is not
	pauses int       // how many the last break was long
}

var _ storage.Wrapper = (*Store)(nil)

// New wraps s. After a read has failed, further ones fail at once for a pause, and
// for twice as long each time that it fails again. A read of which nothing comes
// for the time of silence has failed, too; 0 is no bound.
func New(s storage.Store, pause, silence time.Duration) *Store {
	return &Store{Store: s, pause: pause, silence: silence}
}

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
		now := time.Now()
		if !now.Before(s.until) { // not one of those that were asked at the same time
			s.pauses = min(max(2*s.pauses, 1), longestPause)
		}
		s.cause, s.until = err, now.Add(time.Duration(s.pauses)*s.pause)
	case err == nil:
		s.cause, s.pauses = nil, 0
	}
}

// watch gives up what a store does when it says nothing for too long: the
// context that it returns then ends. The clock runs from start to stop.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	after  time.Duration
}

func (s *Store) watch(ctx context.Context) *watch {
	w := &watch{after: s.silence}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	if w.after > 0 {
		silent := fmt.Errorf("%w for %v", errSilent, w.after)
		w.timer = time.AfterFunc(w.after, func() { w.cancel(silent) })
	}
	return w
}

func (w *watch) start() {
	if w.timer != nil {
		w.timer.Reset(w.after)
	}
}

// stop returns the error of what was done meanwhile: of one that was given up
// it is that nothing came.
func (w *watch) stop(err error) error {
	if w.timer != nil {
		w.timer.Stop()
	}
	if cause := context.Cause(w.ctx); err != nil && errors.Is(cause, errSilent) {
		return cause
	}
	return err
}

// Get reads a range; see storage.Store. A stream that breaks counts as well.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	w := s.watch(ctx)
	stream, err := s.Store.Get(w.ctx, key, offset, length)
	err = w.stop(err)
	s.judge(ctx, err)
	if err != nil {
		w.cancel(nil)
		return nil, err
	}
	return &watched{ReadCloser: stream, store: s, watch: w, ctx: ctx}, nil
}

// watched tells the store of what its stream ends with.
type watched struct {
	io.ReadCloser
	store *Store
	watch *watch
	ctx   context.Context // of the one Get that hands out this reader
}

func (w *watched) Read(p []byte) (int, error) {
	w.watch.start()
	n, err := w.ReadCloser.Read(p)
	if err = w.watch.stop(err); err != nil {
		w.store.judge(w.ctx, err)
	}
	return n, err
}

func (w *watched) Close() error {
	defer w.watch.cancel(nil)
	return w.ReadCloser.Close()
}

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := s.open(); err != nil {
		return storage.Info{}, err
	}
	w := s.watch(ctx)
	defer w.cancel(nil)
	info, err := s.Store.Stat(w.ctx, key)
	err = w.stop(err)
	s.judge(ctx, err)
	return info, err
}

// isLong tells whether a list may take its time: some services gather all of it
// before they answer, and a repository has its many objects in one folder.
func isLong(prefix string) bool { return prefix == "" || strings.HasPrefix(prefix, "data/") }

// List lists objects; see storage.Store. The first of them must come in time.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := s.open(); err != nil {
		return err
	}
	w := s.watch(ctx)
	defer w.cancel(nil)
	if isLong(prefix) {
		w.stop(nil) //nolint:errcheck // it has just begun
	}
	var stop error // what visit returned, which says nothing about the store
	err := w.stop(s.Store.List(w.ctx, prefix, func(info storage.Info) error {
		w.stop(nil) //nolint:errcheck // something came
		stop = visit(info)
		return stop
	}))
	if stop == nil {
		s.judge(ctx, err)
	}
	return err
}
