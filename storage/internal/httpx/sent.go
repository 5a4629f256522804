package httpx

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"holdfast/storage"
)

// Sent is a body on its way to a service. It remembers that reading the body
// failed, which a client would report as a failed request.
type Sent struct {
	body storage.Body
	mu   sync.Mutex
	err  error
}

// Send begins to send body.
func Send(body storage.Body) *Sent { return &Sent{body: body} }

// Size is the length of the body in bytes.
func (s *Sent) Size() int64 { return s.body.Size() }

// ReadAt reads the body; an end before its size is a failure.
func (s *Sent) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.body.ReadAt(p, off)
	if errors.Is(err, io.EOF) && off+int64(n) < s.Size() {
		err = fmt.Errorf("body ends after %d of %d bytes: %w", off+int64(n), s.Size(), io.ErrUnexpectedEOF)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
	return n, err
}

// Failure is why the body could not be read, or nil.
func (s *Sent) Failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Section is a range of the body, as the body of a request.
func (s *Sent) Section(from, length int64) io.ReadSeekCloser {
	return section{io.NewSectionReader(s, from, length)}
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// Hash puts a range of the body into h, for the service to compare with what
// arrives there. Limits of the bandwidth do not count it.
func (s *Sent) Hash(ctx context.Context, h hash.Hash, from, length int64) error {
	unpaced := &Sent{body: storage.Unpaced(s.body)}
	_, err := io.Copy(h, &contextReader{ctx: ctx, r: io.NewSectionReader(unpaced, from, length)})
	if err != nil && ctx.Err() == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
	return err
}

// contextReader stops when its context ends.
type contextReader struct {
	ctx context.Context // of the one call this reader serves
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
