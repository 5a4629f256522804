package chunk

import (
	"errors"
	"fmt"
	"io"
)

// readStep is how much a Reader asks of its source at once when a chunk may
// end: enough for few system calls, little enough that the bytes read beyond
// a cut, which have to be moved to the next buffer, are few.
const readStep = 256 * kiB

// emptyReads is how many reads of no bytes and no error in a row a source
// may give before it counts as broken.
const emptyReads = 100

// Buffers hands out the memory that chunks are read into. A Reader calls it
// from the goroutine that calls Next.
type Buffers interface {
	// Get returns a buffer of length 0 and a capacity of at least size bytes.
	Get(size int) []byte
	// Put takes back a buffer from Get whose content is not needed any more.
	Put(buf []byte)
}

// Reader divides a stream into chunks, each in a buffer of its own. It
// belongs to one goroutine. Resetting it costs no allocation, so one Reader
// serves any number of files.
type Reader struct {
	cutter  Cutter
	buffers Buffers

	src     io.Reader
	hint    int64
	buf     []byte // the current chunk and, behind scanned, what follows it
	scanned int
	err     error // what ended the source: io.EOF or a failure
}

// NewReader returns a reader without a source: Reset gives it one.
func NewReader(cutter Cutter, buffers Buffers) *Reader {
	return &Reader{cutter: cutter, buffers: buffers, err: io.EOF}
}

// Reset drops what is left of the current stream and begins the next one.
// The hint is its expected length in bytes, negative if unknown: it saves
// memory for short files and decides nothing else.
func (r *Reader) Reset(src io.Reader, hint int64) {
	r.Release()
	r.cutter.Reset()
	r.src, r.hint, r.err = src, hint, nil
}

// Release gives the buffer held for the next chunk back. The reader is at
// its end until Reset.
func (r *Reader) Release() {
	if r.buf != nil {
		r.buffers.Put(r.buf)
	}
	r.buf, r.scanned, r.src, r.err = nil, 0, nil, io.EOF
}

// Next returns the next chunk, in a buffer from Buffers that now belongs to
// the caller, to be given back with Put. The last chunk of a stream may be
// shorter than the cutter's MinSize; an empty stream has none. It returns
// io.EOF after the last chunk. If the source fails, it returns that error,
// and the chunk it happened in is lost.
func (r *Reader) Next() ([]byte, error) {
	for {
		n, cut := r.cutter.Next(r.buf[r.scanned:])
		r.scanned += n
		if cut {
			return r.take(), nil
		}
		if r.err != nil {
			return r.last()
		}
		r.fill()
	}
}

// AtEnd tells that there is no further chunk. It is false until the source has
// told that it ends, which may take one more call of Next.
func (r *Reader) AtEnd() bool { return r.err == io.EOF && len(r.buf) == 0 } //nolint:errorlint // as below

// last returns what is left when the source has ended.
func (r *Reader) last() ([]byte, error) {
	err := r.err
	if r.src == nil {
		return nil, err // told before
	}
	if err == io.EOF && r.scanned > 0 { //nolint:errorlint // a reader's end is io.EOF itself
		r.cutter.Reset()
		return r.take(), nil
	}
	r.Release()
	switch {
	case err == io.EOF: //nolint:errorlint // as above
		return nil, io.EOF
	case errors.Is(err, io.EOF):
		// Not the end of the source, but a failure inside it: must not look
		// like the end to the caller either.
		err = fmt.Errorf("%w: %s", io.ErrUnexpectedEOF, err.Error())
	}
	r.err = fmt.Errorf("reading a chunk: %w", err)
	return nil, r.err
}

// take hands the current chunk over and moves the bytes behind it to a new
// buffer.
func (r *Reader) take() []byte {
	chunk, rest := r.buf[:r.scanned], r.buf[r.scanned:]
	r.buf, r.scanned = nil, 0
	if r.hint >= 0 {
		r.hint = max(0, r.hint-int64(len(chunk)))
	}
	if len(rest) > 0 {
		r.buf = append(r.buffers.Get(max(r.firstSize(), len(rest))), rest...)
	}
	return chunk
}

// fill reads more of the source behind what is there, all of which has been
// scanned without a cut.
func (r *Reader) fill() {
	r.ensureRoom()
	// Before MinSize there is no cut, so nothing read will have to be moved.
	want := max(readStep, r.cutter.MinSize()-len(r.buf))
	room := r.buf[len(r.buf):min(cap(r.buf), len(r.buf)+want)]
	for range emptyReads {
		n, err := r.src.Read(room)
		r.buf, r.err = r.buf[:len(r.buf)+n], err
		if n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// ensureRoom makes room for at least one more byte.
func (r *Reader) ensureRoom() {
	if r.buf == nil {
		r.buf = r.buffers.Get(r.firstSize())
	}
	if len(r.buf) < cap(r.buf) {
		return
	}
	// Doubling, up to the longest chunk: it is cut before there is more to read.
	size := min(max(2*cap(r.buf), readStep), r.cutter.MaxSize())
	bigger := append(r.buffers.Get(size), r.buf...)
	r.buffers.Put(r.buf)
	r.buf = bigger
}

// firstSize is the capacity to begin a chunk with: that of the whole rest if
// the stream is known to be short, or else one that most chunks fit in.
func (r *Reader) firstSize() int {
	usual := 4 * r.cutter.MinSize()
	if r.hint >= 0 && r.hint < int64(usual) {
		// One byte more, so that the end is seen without growing.
		return int(r.hint) + 1
	}
	return usual
}
