// Package throttle is a storage.Store that limits how fast another one sends
// and receives: all operations together stay below the two rates.
//
// A limit counts the bytes of objects. A store that reads a body twice, to
// hash it and then to send it, hashes what storage.Unpaced gives; a spool is
// copied through the limit and not moved, as moving has no rate.
package throttle

import (
	"context"
	"errors"
	"io"

	"holdfast/storage"

	"golang.org/x/time/rate"
)

// Limits are the two rates; 0 or less means no limit.
type Limits struct {
	UploadBytesPerSecond   int64
	DownloadBytesPerSecond int64
}

// Store limits the operations of the Store it wraps. Make one with New.
type Store struct {
	storage.Store
	up, down *rate.Limiter // nil: no limit
}

var _ storage.Wrapper = (*Store)(nil)

// New wraps s.
func New(s storage.Store, limits Limits) *Store {
	return &Store{
		Store: s,
		up:    newLimiter(limits.UploadBytesPerSecond),
		down:  newLimiter(limits.DownloadBytesPerSecond),
	}
}

// Unwrap returns the store below.
func (s *Store) Unwrap() storage.Store { return s.Store }

// A tenth of a second's bytes may pass at once: fine enough that a link is
// never taken for long, coarse enough to cost nothing. The bounds keep very
// small limits from going byte by byte and large ones from bursting.
const (
	burstsPerSecond = 10
	minBurstBytes   = 1 << 10
	maxBurstBytes   = 1 << 20
)

func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	burst := min(max(bytesPerSecond/burstsPerSecond, minBurstBytes), maxBurstBytes)
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(burst))
}

// Put stores body, read at the upload rate.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if s.up != nil {
		body = &limitedBody{ctx: ctx, limiter: s.up, Body: body}
	}
	return s.Store.Put(ctx, key, body, o)
}

// limitedBody waits before each piece it reads.
type limitedBody struct {
	ctx     context.Context // of the one Put this body serves
	limiter *rate.Limiter
	storage.Body
}

func (b *limitedBody) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		piece := p[n:min(n+b.limiter.Burst(), len(p))]
		if err := wait(b.ctx, b.limiter, len(piece)); err != nil {
			return n, err
		}
		m, err := b.Body.ReadAt(piece, off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Unpaced is the body without the limit; see storage.Unpaced.
func (b *limitedBody) Unpaced() storage.Body { return b.Body }

// Get reads a range at the download rate.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key, offset, length)
	if err != nil || s.down == nil {
		return r, err
	}
	return &limitedReader{ctx: ctx, limiter: s.down, ReadCloser: r}, nil
}

// limitedReader waits after each piece, when it knows how long that was.
type limitedReader struct {
	ctx     context.Context // of the one Get that hands out this reader
	limiter *rate.Limiter
	io.ReadCloser
}

func (r *limitedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p[:min(len(p), r.limiter.Burst())])
	if werr := wait(r.ctx, r.limiter, n); werr != nil {
		return n, werr
	}
	return n, err
}

// wait takes n bytes, at most a burst, out of the limiter. The limiter gives
// up at once, with an error of its own, when the deadline of ctx comes before
// the turn of these bytes; that is a deadline exceeded like any other.
func wait(ctx context.Context, limiter *rate.Limiter, n int) error {
	err := limiter.WaitN(ctx, n)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return context.DeadlineExceeded
}
