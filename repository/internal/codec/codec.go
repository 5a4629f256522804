// Package codec compresses what a repository stores, with Zstandard, and
// decompresses it within memory that is known beforehand.
package codec

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"holdfast/repository/compress"
)

// windowSize is how far back a match may lie, in bytes. It is restic's: more
// gains little on blobs of about a megabyte and costs memory.
const windowSize = 512 << 10

// quickWindowSize is that of the quick encoder where it stands in for our own:
// most large blobs are one whole window. What is large text becomes 3 %
// smaller, in the same time, which makes up for most of what the quick encoder
// misses.
const quickWindowSize = 1 << 20

// maxFrameWindow is the largest window of a frame that is read: that of
// zstd's highest level. Whole frames are decoded into the memory of their
// plaintext, so that it costs nothing.
const maxFrameWindow = 128 << 20

// ErrDamaged says that a frame cannot be decompressed, or does not hold as
// many bytes as it should.
var ErrDamaged = errors.New("damaged compressed data")

// Codec holds a fixed number of encoders and decoders. It is safe for
// concurrent use; when all are at work, further calls wait.
type Codec struct {
	level   Level
	encoder *zstd.Encoder
	decoder *zstd.Decoder

	// By default our own encoders are used, which are made when they are
	// needed, and quick where it comes close: see effort.go.
	own    chan *compress.Encoder
	newOwn func() *compress.Encoder
	quick  *zstd.Encoder

	// Where they are faster, our own decoders are used, which are made when they
	// are needed.
	readsOwn bool
	readers  chan *compress.Decoder
	// read is what they do: Append.
	read    func(d *compress.Decoder, dst, frame []byte, n int) ([]byte, error)
	mistake func(error) // is told of their mistakes, or nil
}

// New returns a codec for as many workers at a time. With the default level,
// a worker that compresses and decompresses takes about 5 MiB.
func New(level Level, workers int) (*Codec, error) {
	if workers < 1 {
		return nil, fmt.Errorf("making a codec: %d workers", workers)
	}
	encoder, err := newEncoder(level.effort(), workers, windowSize)
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(workers),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxFrameWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("making a decoder: %w", err)
	}
	c := &Codec{
		level: level, encoder: encoder, decoder: decoder,
		readsOwn: compress.DecodesFast(), readers: make(chan *compress.Decoder, workers), read: (*compress.Decoder).Append,
	}
	for range workers {
		c.readers <- nil
	}
	if level == Default {
		if c.quick, err = newEncoder(zstd.SpeedFastest, workers, quickWindowSize); err != nil {
			return nil, err
		}
		c.newOwn = compress.NewEncoder
		c.own = make(chan *compress.Encoder, workers)
		for range workers {
			c.own <- nil
		}
	}
	return c, nil
}

func newEncoder(effort zstd.EncoderLevel, workers, windowBytes int) (*zstd.Encoder, error) {
	// The hash and the pack's MAC already say more than a CRC would.
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(effort),
		zstd.WithEncoderConcurrency(workers),
		zstd.WithWindowSize(windowBytes),
		zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("making an encoder: %w", err)
	}
	return e, nil
}

// LookNear prepares for plaintexts in which what repeats lies near, such as pages
// of a database. It is called before anything is compressed.
func (c *Codec) LookNear() { c.newOwn = compress.NewNear }

// Level returns the level that New was given.
func (c *Codec) Level() Level { return c.level }

// Bound returns the greatest length a frame of n bytes of plaintext can have.
func (c *Codec) Bound(n int) int {
	if c.level != Default {
		return c.encoder.MaxEncodedSize(n)
	}
	return max(c.encoder.MaxEncodedSize(n), c.quick.MaxEncodedSize(n), compress.Bound(n))
}

// Compress appends plain as one frame to dst and returns the extended slice.
// It allocates nothing if dst has room for Bound(len(plain)) bytes. It
// compresses whatever the level and whether or not that gains anything: see
// Off and Incompressible.
//
// By default that is the work of an encoder of our own. Callers prove that the
// plaintext comes back, and have CompressAgain if it does not.
func (c *Codec) Compress(dst, plain []byte) []byte {
	if c.level != Default || len(plain) > compress.MaxPlain {
		return c.CompressAgain(dst, plain)
	}
	own := <-c.own
	if own == nil {
		own = c.newOwn()
	}
	defer func() { c.own <- own }()
	if len(plain) >= sampledBlob && c.prefersQuick(own, dst, plain) {
		return c.quick.EncodeAll(plain, dst)
	}
	return own.Append(dst, plain)
}

// CompressAgain is Compress by the library's encoder alone.
func (c *Codec) CompressAgain(dst, plain []byte) []byte { return c.encoder.EncodeAll(plain, dst) }
