package fault

import (
	"fmt"
	"io"
	"time"

	"holdfast/storage"
)

// Fault is one kind of misbehaviour. The functions below make them; what a
// fault does not apply to goes well.
type Fault struct {
	kind  kind
	err   error
	delay time.Duration
}

type kind int

const (
	none kind = iota
	failBefore
	failAfter
	cut
	skip
	flip
)

// Before makes an operation fail with err and do nothing.
func Before(err error) Fault { return Fault{kind: failBefore, err: err} }

// After does the operation and then fails with err: its answer is lost. A
// List has visited everything, a Get gives no reader.
func After(err error) Fault { return Fault{kind: failAfter, err: err} }

// Full makes an operation fail with storage.ErrFull and do nothing.
func Full() Fault { return Before(fmt.Errorf("fault: %w", storage.ErrFull)) }

// Cut stops an operation half-way, at a place drawn at random, with err. A
// Put leaves a torn object, which no sound store does; a Get breaks in the
// stream; a List ends early. With a nil err the operation claims to have been
// complete: the Put is acknowledged, the stream and the listing just end.
func Cut(err error) Fault { return Fault{kind: cut, err: err} }

// Missing acknowledges a Put or Delete and does nothing.
func Missing() Fault { return Fault{kind: skip} }

// Flip inverts one bit, drawn at random, of what a Put stores or a Get reads.
func Flip() Fault { return Fault{kind: flip} }

// Delay makes an operation begin after d, or end with its context.
func Delay(d time.Duration) Fault { return Fault{delay: d} }

// flippedBody inverts one bit of a body.
type flippedBody struct {
	storage.Body
	bit int64
}

func (b flippedBody) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Body.ReadAt(p, off)
	flipBit(p[:n], off, b.bit)
	return n, err
}

// flipBit inverts the bit if it lies within p, which begins at off.
func flipBit(p []byte, off, bit int64) {
	if at := bit/8 - off; bit >= 0 && at >= 0 && at < int64(len(p)) {
		p[at] ^= 1 << (bit % 8)
	}
}

// faultyReader is a stream with at most one fault in it. It dies in a crash
// like everything else.
type faultyReader struct {
	io.ReadCloser
	store *Store

	offset int64 // of the next byte, from the beginning of the stream
	cutAt  int64 // byte at which the stream breaks; negative: it does not
	cutErr error // what it breaks with; nil: it ends
	flipAt int64 // bit to invert; negative: none
}

func (r *faultyReader) Read(p []byte) (int, error) {
	if r.store.Crashed() {
		return 0, ErrCrashed
	}
	if r.cutAt >= 0 {
		if r.offset == r.cutAt {
			return 0, r.breakOff()
		}
		p = p[:min(int64(len(p)), r.cutAt-r.offset)]
	}
	n, err := r.ReadCloser.Read(p)
	flipBit(p[:n], r.offset, r.flipAt)
	r.offset += int64(n)
	return n, err
}

func (r *faultyReader) breakOff() error {
	if r.cutErr == nil {
		return io.EOF
	}
	return r.cutErr
}
