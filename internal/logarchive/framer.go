package logarchive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"holdfast/repository/compress"
	"holdfast/storage"
)

// frameBytes is how much of a segment is compressed at once. Log repeats what
// is near: larger frames are no smaller all together, and what it takes to make
// and to prove one would not stay in the CPU's cache.
const frameBytes = 256 << 10

// framer compresses segments, frame by frame. Each frame is made by an encoder
// of our own, and counts only when the library's decoder, which shares nothing
// with that, makes the plaintext of it: a server that is told that its log is
// archived removes it.
type framer struct {
	compress func(dst, plain []byte) []byte
	prover   *zstd.Decoder
	library  *zstd.Encoder // nil as long as the other makes no mistake
	warn     func(error)   // tells of what went wrong and did no harm

	plain, frame, again []byte
}

// decoderSlack is room behind a plaintext with which the library decodes faster.
const decoderSlack = 16

func newFramer(warn func(error)) (*framer, error) {
	prover, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make a decoder: %w", err)
	}
	return &framer{
		compress: compress.NewNear().Append, prover: prover, warn: warn,
		plain: make([]byte, frameBytes), frame: make([]byte, 0, compress.Bound(frameBytes)), again: make([]byte, 0, frameBytes+decoderSlack),
	}, nil
}

// writeTo writes the frames of a segment to w, and returns the digest of the
// plaintext.
func (f *framer) writeTo(ctx context.Context, w io.Writer, body storage.Body) (Digest, error) {
	sum := sha256.New()
	for at, end := int64(0), body.Size(); at == 0 || at < end; at += frameBytes {
		if err := ctx.Err(); err != nil {
			return Digest{}, context.Cause(ctx)
		}
		plain := f.plain[:min(frameBytes, end-at)]
		if n, err := body.ReadAt(plain, at); n < len(plain) {
			return Digest{}, fmt.Errorf("read the log: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		sum.Write(plain) //nolint:errcheck // never fails
		if err := f.make(plain); err != nil {
			return Digest{}, err
		}
		if _, err := w.Write(f.frame); err != nil {
			return Digest{}, err
		}
	}
	return Digest(sum.Sum(nil)), nil
}

// make compresses plain to f.frame, and proves that it comes back.
func (f *framer) make(plain []byte) error {
	f.frame = f.compress(f.frame[:0], plain)
	wrong := f.comesBack(plain)
	if wrong == nil {
		return nil
	}
	if err := f.makeAgain(plain); err != nil {
		return err
	}
	f.warn(fmt.Errorf("%w (%d bytes; %w)", errMadeAgain, len(plain), wrong))
	return nil
}

// makeAgain is make by the library's encoder.
func (f *framer) makeAgain(plain []byte) error {
	if f.library == nil {
		var err error
		f.library, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(frameBytes), zstd.WithEncoderCRC(false))
		if err != nil {
			return fmt.Errorf("make an encoder: %w", err)
		}
	}
	f.frame = f.library.EncodeAll(plain, f.frame[:0])
	return f.comesBack(plain)
}

// comesBack proves that plain can be had of f.frame.
func (f *framer) comesBack(plain []byte) error {
	again, err := f.prover.DecodeAll(f.frame, f.again[:0])
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if !bytes.Equal(again, plain) {
		return errLost
	}
	return nil
}

// errLost says that a segment must not be archived as it was compressed.
var errLost = errors.New("what log was compressed to does not decompress to the log; this machine may have faulty memory or a faulty CPU")

// errMadeAgain tells of a mistake that did no harm.
var errMadeAgain = errors.New("log was compressed wrongly, and then again by another encoder: please report it, unless this machine has faulty memory or a faulty CPU")
