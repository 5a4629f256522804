package logarchive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"holdfast/storage"
)

// sealer makes payloads: as many at once as there are processors, in the order
// in which they are asked for. More at once would end no sooner all together,
// and the first of them later; while they are stored, the next are sealed.
type sealer struct {
	recipients []age.Recipient
	turns      *semaphore.Weighted
	// compressors are used again: each holds more memory than its window.
	compressors sync.Pool
}

func newSealer(recipients []age.Recipient) *sealer {
	return &sealer{recipients: recipients, turns: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
}

// seal writes the plaintext of a segment in zstd inside age to w, and returns
// the digest of the plaintext.
func (s *sealer) seal(ctx context.Context, w io.Writer, body storage.Body) (Digest, error) {
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return Digest{}, context.Cause(ctx)
	}
	defer s.turns.Release(1)
	encrypter, err := age.Encrypt(w, s.recipients...)
	if err != nil {
		return Digest{}, fmt.Errorf("encrypt: %w", err)
	}
	digest, err := s.compress(ctx, encrypter, body)
	if err == nil {
		err = encrypter.Close()
	}
	if err != nil {
		return Digest{}, fmt.Errorf("seal: %w", err)
	}
	return digest, nil
}

func (s *sealer) compress(ctx context.Context, w io.Writer, body storage.Body) (Digest, error) {
	compressor, err := s.compressor()
	if err != nil {
		return Digest{}, err
	}
	defer s.putBack(compressor)
	compressor.Reset(w)
	sum := sha256.New()
	plain := &contextReader{ctx: ctx, r: io.NewSectionReader(body, 0, body.Size())}
	n, err := io.Copy(io.MultiWriter(sum, compressor), plain)
	if err == nil && n != body.Size() {
		err = io.ErrUnexpectedEOF
	}
	return Digest(sum.Sum(nil)), errors.Join(err, compressor.Close())
}

// compressor returns one that was used before, or a new one. What they write
// has no checksum of its own: age proves each byte.
func (s *sealer) compressor() (*zstd.Encoder, error) {
	if c, ok := s.compressors.Get().(*zstd.Encoder); ok {
		return c, nil
	}
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(maxWindowBytes/2), zstd.WithEncoderCRC(false))
}

// putBack keeps a compressor for the next segment, without what it wrote to.
func (s *sealer) putBack(c *zstd.Encoder) {
	c.Reset(nil)
	s.compressors.Put(c)
}
