package retry

import (
	"context"
	"errors"
	"io"

	"holdfast/storage"
)

// Get reads a range. When the stream breaks, it is taken up at the byte where
// it stopped; each byte that arrives gives the Policy a fresh start, so a
// long download over a bad line ends as long as it moves.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r := &reader{
		store: s.Store, ctx: ctx, attempts: s.begin("get", key),
		key: key, offset: offset, left: length,
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// reader is a stream that is opened again as often as needed.
type reader struct {
	store    storage.Store
	ctx      context.Context // of the one Get that hands out this reader
	attempts *attempts
	key      string

	offset int64 // of the next byte
	left   int64 // bytes still to come; negative: up to the end of the object
	stream io.ReadCloser
	// broken is what the stream ended with after it had given some bytes;
	// nil while it runs.
	broken error
}

// open opens the stream at offset, with as many attempts as are left.
func (r *reader) open() error {
	for {
		stream, err := r.store.Get(r.ctx, r.key, r.offset, r.left)
		if err == nil {
			r.stream = stream
			return nil
		}
		if err := r.again(err); err != nil {
			return err
		}
	}
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.left != 0 {
		if err := r.reopen(); err != nil {
			return 0, err
		}
		n, err := r.read(p)
		if n > 0 || err == io.EOF {
			return n, err
		}
	}
	return 0, io.EOF
}

// read reads from the stream. Any failure is kept in broken, and left to the
// next round.
func (r *reader) read(p []byte) (int, error) {
	n, err := r.stream.Read(r.clip(p))
	r.offset += int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	if n > 0 {
		r.attempts.progress()
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.left <= 0:
		return n, io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	r.broken = err
	return n, nil
}

func (r *reader) clip(p []byte) []byte {
	if r.left < 0 {
		return p
	}
	return p[:min(int64(len(p)), r.left)]
}

// reopen replaces a broken stream. An error is final.
func (r *reader) reopen() error {
	if r.broken == nil {
		return nil
	}
	r.stream.Close() // what it says no longer matters
	if err := r.again(r.broken); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		r.broken = err
		return err
	}
	r.broken = nil
	return nil
}

// again decides about one more attempt, after err. An early end may be a cut
// connection or a short object; only the second is final.
func (r *reader) again(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && r.isShort() {
		return err
	}
	return r.attempts.again(r.ctx, err)
}

// isShort tells whether the object really ends before the range does.
func (r *reader) isShort() bool {
	if r.left < 0 {
		return false
	}
	info, err := r.store.Stat(r.ctx, r.key)
	return err == nil && info.SizeBytes-r.offset < r.left
}

func (r *reader) Close() error {
	if r.broken != nil { // closed already, or about to be replaced
		r.stream.Close()
		return nil
	}
	return r.stream.Close()
}
