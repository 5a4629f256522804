package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"holdfast/storage"

	"github.com/pkg/sftp"
)

const (
	// pieceBytes is what is asked for at once, in requests of 32 KiB.
	pieceBytes = 256 << 10
	// piecesAhead is how many pieces are asked for before the first one is
	// read: 2 MiB, enough for 40 MB/s at a round trip of 50 ms.
	piecesAhead = 8
)

// Get reads a range of the file; see storage.Store. What is wrong with the
// range of an object may be said by Read, to spare a round trip.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	p, err := s.path(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := storage.CheckRange(key, offset, math.MaxInt64); err != nil {
		return nil, err
	}
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	r := &rangeReader{store: s, conn: c, ctx: ctx, key: key, next: offset, end: offset + min(length, math.MaxInt64-offset)}
	opened := make(chan error, 1)
	go func() { opened <- r.open(p, offset, length) }()
	select {
	case err = <-opened:
	case <-ctx.Done():
		s.later.Go(func() {
			<-opened
			r.Close()
		})
		return nil, ctx.Err()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// rangeReader reads the bytes from next to end, with several pieces under way.
type rangeReader struct {
	store *Store
	conn  *conn
	ctx   context.Context // of the one Get that hands out this reader
	key   string
	file  *sftp.File

	next, end int64    // still to be asked for
	ahead     []*piece // asked for, in order
	read      int      // bytes of the first piece that were handed out
	err       error    // sticks
	closed    bool
}

// piece is a part of the range, being read.
type piece struct {
	buf    *[pieceBytes]byte
	offset int64
	want   int
	n      int
	err    error
	done   chan struct{}
}

// open opens the file. It asks for its size only where the answer needs it.
func (r *rangeReader) open(p string, offset, length int64) error {
	f, err := r.conn.sftp.Open(p)
	if err != nil {
		return r.failed(r.store.readError(r.conn, err))
	}
	r.file = f
	tooLong := length > math.MaxInt64-offset
	if length > 0 && !tooLong {
		return nil
	}
	if length < 0 {
		// Beside its size: what is read to its end is small, most often.
		r.askFor(pieceBytes)
	}
	size, err := r.size()
	if err != nil {
		return err
	}
	if err := storage.CheckRange(r.key, offset, size); err != nil {
		return err
	}
	if tooLong {
		return r.endsEarly(size)
	}
	if length < 0 {
		r.end = size
		r.ahead[0].want = int(min(pieceBytes, size-offset))
		r.next = offset + int64(r.ahead[0].want)
	}
	return nil
}

func (r *rangeReader) size() (int64, error) {
	info, err := r.file.Stat()
	if err != nil {
		return 0, r.failed(err)
	}
	if !info.Mode().IsRegular() {
		return 0, r.failed(storage.ErrNotFound)
	}
	return info.Size(), nil
}

func (r *rangeReader) endsEarly(size int64) error {
	return fmt.Errorf("get %s: the file has %d bytes: %w", r.key, size, io.ErrUnexpectedEOF)
}

func (r *rangeReader) failed(err error) error {
	return fmt.Errorf("get %s: %w", r.key, r.conn.explain(err))
}

func (r *rangeReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	r.ask()
	if len(r.ahead) == 0 {
		return 0, io.EOF
	}
	first := r.ahead[0]
	select {
	case <-first.done:
	case <-r.ctx.Done():
		r.err = r.ctx.Err()
		return 0, r.err
	}
	came := min(first.n, first.want)
	n := copy(p, first.buf[r.read:came])
	r.read += n
	if r.read < came {
		return n, nil
	}
	if came < first.want {
		r.err = r.explain(first)
		return n, r.err
	}
	r.ahead, r.read = r.ahead[1:], 0
	r.store.pieces.Put(first.buf)
	r.ask()
	return n, nil
}

// ask has so many pieces under way as fill the line.
func (r *rangeReader) ask() {
	for len(r.ahead) < piecesAhead && r.next < r.end {
		r.askFor(int(min(pieceBytes, r.end-r.next)))
	}
}

// askFor asks for the next piece.
func (r *rangeReader) askFor(n int) {
	p := &piece{buf: r.store.pieces.Get().(*[pieceBytes]byte), offset: r.next, want: n, done: make(chan struct{})}
	r.next += int64(n)
	r.ahead = append(r.ahead, p)
	go func() {
		p.n, p.err = r.file.ReadAt(p.buf[:n], p.offset)
		close(p.done)
	}()
}

// explain finds out why a piece is short: no object, a range outside of it,
// an object that ends early, or a failure.
func (r *rangeReader) explain(p *piece) error {
	size, err := r.size()
	if err != nil {
		return err
	}
	if err := storage.CheckRange(r.key, p.offset, size); err != nil && p.offset+int64(p.n) > size {
		return err
	}
	if size < p.offset+int64(p.want) {
		return r.endsEarly(size)
	}
	if p.err == nil || errors.Is(p.err, io.EOF) {
		p.err = io.ErrNoProgress
	}
	return r.failed(fmt.Errorf("%d of %d bytes came: %w", p.n, p.want, p.err))
}

// Close gives the connection back. The file is closed on the server when all
// that was asked for has come; nobody has to wait for that.
func (r *rangeReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.err == nil {
		r.err = errReaderClosed
	}
	r.store.later.Go(func() {
		defer r.store.pool.release(r.conn)
		if r.file != nil {
			r.file.Close() //nolint:errcheck // says nothing about what was read
		}
		for _, p := range r.ahead {
			<-p.done
			r.store.pieces.Put(p.buf)
		}
	})
	return nil
}

var errReaderClosed = errors.New("reader is closed")

// Stat describes the object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	p, err := s.path(key)
	if err != nil {
		return storage.Info{}, err
	}
	err = s.do(ctx, func(c *conn) error {
		file, err := c.sftp.Stat(p)
		if err == nil && !file.Mode().IsRegular() {
			err = storage.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("stat %s: %w", key, s.readError(c, err))
		}
		info = storage.Info{Key: key, SizeBytes: file.Size()}
		return nil
	})
	if err != nil {
		return storage.Info{}, err
	}
	return info, nil
}
