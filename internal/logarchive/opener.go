package logarchive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"holdfast/repository/compress"
)

// opener opens payloads: as many at once as there are processors, in the order
// in which they are asked for, as sealer makes them.
//
// Frames are read by a decoder of our own, where that takes less time, into
// memory: nothing of it is given on before it is proven to be what was archived.
// What that decoder does not read, or reads wrong, the library's does.
type opener struct {
	identities []age.Identity
	turns      *semaphore.Weighted
	warn       func(error)
	newDecoder func() decoder // of our own; nil where the library takes less time
	// unpackers and libraries were used before.
	unpackers sync.Pool
	libraries sync.Pool
}

// decoder appends the plaintext of a frame, which must have n bytes, to dst, where
// there is room for compress.Slack bytes more.
type decoder func(dst, frame []byte, n int) ([]byte, error)

// newOpener returns an opener that tells warn of what went wrong and did no harm.
func newOpener(identities []age.Identity, warn func(error)) *opener {
	o := &opener{identities: identities, warn: warn, turns: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
	if compress.DecodesFast() {
		o.newDecoder = func() decoder { return compress.NewDecoder().Append }
	}
	return o
}

const (
	// maxWindowBytes bounds the memory for opening a payload by the library.
	maxWindowBytes = 8 << 20
	// maxUnpackedBytes is how large a plaintext may be that is held in memory:
	// PostgreSQL's segments have 16 MiB, unless somebody chose otherwise.
	maxUnpackedBytes = 64 << 20
)

// errOpenedAgain tells of a mistake that did no harm.
var errOpenedAgain = errors.New("log was decompressed wrongly, and then again by another decoder: please report it, unless this machine has faulty memory or a faulty CPU")

// open writes the plaintext of a payload to w. When it returns no error, that is
// what the record says; otherwise some of it may have been written.
func (o *opener) open(ctx context.Context, w io.Writer, payload []byte, r *Record) error {
	if err := o.turns.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer o.turns.Release(1)
	frames, err := age.Decrypt(bytes.NewReader(payload), o.identities...)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	if r.SizeBytes < 0 || r.SizeBytes > maxUnpackedBytes || o.newDecoder == nil {
		return o.stream(w, frames, r)
	}
	u, ok := o.unpackers.Get().(*unpacker)
	if !ok {
		u = &unpacker{decode: o.newDecoder()}
	}
	defer o.unpackers.Put(u)
	if err := u.decrypt(frames, len(payload)); err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	wrong := u.unpack(r)
	if wrong == nil {
		_, err := w.Write(u.plain)
		return err
	}
	err = o.stream(w, bytes.NewReader(u.frames.Bytes()), r)
	if err == nil && !compress.IsOtherKind(wrong) {
		o.warn(fmt.Errorf("%w (%s, %d bytes; %w)", errOpenedAgain, r.Name, r.SizeBytes, wrong))
	}
	return err
}

// stream writes the plaintext of frames to w, by the library's decoder.
func (o *opener) stream(w io.Writer, frames io.Reader, r *Record) error {
	d, err := o.library(frames)
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	plain := &provenWriter{w: w, left: r.SizeBytes, sum: sha256.New()}
	if _, err := d.WriteTo(plain); err != nil {
		return err // a decoder that failed is not used again
	}
	if err := d.Reset(nil); err == nil {
		o.libraries.Put(d)
	}
	if !plain.is(r) {
		return errOtherPlaintext
	}
	return nil
}

// library returns a decoder that was used before, or a new one: its memory is a
// window, and clearing that for each segment takes time.
func (o *opener) library(frames io.Reader) (*zstd.Decoder, error) {
	if d, ok := o.libraries.Get().(*zstd.Decoder); ok {
		return d, d.Reset(frames)
	}
	return zstd.NewReader(frames, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecoderLowmem(true))
}

// errOtherPlaintext says that a payload holds something else than its record says.
var errOtherPlaintext = fmt.Errorf("%w: its plaintext is not what was archived", ErrCorrupt)

// provenWriter hashes what it writes, which must not be more than it should be.
type provenWriter struct {
	w    io.Writer
	left int64
	sum  hash.Hash
}

func (p *provenWriter) Write(b []byte) (int, error) {
	if p.left -= int64(len(b)); p.left < 0 {
		return 0, fmt.Errorf("%w: its plaintext is longer than what was archived", ErrCorrupt)
	}
	p.sum.Write(b) //nolint:errcheck // never fails
	return p.w.Write(b)
}

// is tells whether all that was written is the plaintext of a record.
func (p *provenWriter) is(r *Record) bool {
	return p.left == 0 && Digest(p.sum.Sum(nil)) == r.SHA256
}

// unpacker reads frames by a decoder of our own. Its memory is reused.
type unpacker struct {
	decode decoder
	frames bytes.Buffer
	plain  []byte
}

// decrypt reads the frames of a payload of so many bytes.
func (u *unpacker) decrypt(from io.Reader, payloadBytes int) error {
	u.frames.Reset()
	u.frames.Grow(payloadBytes + bytes.MinRead) // they are a little shorter
	_, err := u.frames.ReadFrom(from)
	return err
}

// unpack reads the plaintext of a record. Each frame is hashed while it is in the
// CPU's cache.
func (u *unpacker) unpack(r *Record) error {
	sum := sha256.New()
	size := int(r.SizeBytes)
	u.plain = slices.Grow(u.plain[:0], size+compress.Slack)
	for rest := u.frames.Bytes(); len(rest) > 0; {
		frame, n, after, err := compress.First(rest)
		if err != nil {
			return err
		}
		at := len(u.plain)
		if n > size-at {
			return errOtherPlaintext
		}
		if u.plain, err = u.decode(u.plain, frame, n); err != nil {
			return err
		}
		sum.Write(u.plain[at:]) //nolint:errcheck // never fails
		rest = after
	}
	if len(u.plain) != size || Digest(sum.Sum(nil)) != r.SHA256 {
		return errOtherPlaintext
	}
	return nil
}
