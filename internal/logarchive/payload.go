package logarchive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"holdfast/storage"
)

// maxWindowBytes bounds the memory for opening a payload.
const maxWindowBytes = 8 << 20

// seal writes the plaintext of a segment in zstd inside age to w, and returns
// the digest of the plaintext.
func seal(ctx context.Context, w io.Writer, body storage.Body, recipients []age.Recipient) (Digest, error) {
	encrypter, err := age.Encrypt(w, recipients...)
	if err != nil {
		return Digest{}, fmt.Errorf("encrypt: %w", err)
	}
	compressor, err := zstd.NewWriter(encrypter,
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxWindowBytes/2))
	if err != nil {
		return Digest{}, fmt.Errorf("compress: %w", err)
	}
	sum := sha256.New()
	plain := &contextReader{ctx: ctx, r: io.NewSectionReader(body, 0, body.Size())}
	n, err := io.Copy(io.MultiWriter(sum, compressor), plain)
	if err == nil && n != body.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err = errors.Join(err, compressor.Close()); err != nil {
		return Digest{}, fmt.Errorf("seal: %w", err)
	}
	if err := encrypter.Close(); err != nil {
		return Digest{}, fmt.Errorf("seal: %w", err)
	}
	return Digest(sum.Sum(nil)), nil
}

// open returns a reader of the plaintext in a payload.
func open(payload io.Reader, identities []age.Identity) (io.ReadCloser, error) {
	decrypted, err := age.Decrypt(payload, identities...)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	d, err := zstd.NewReader(decrypted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return d.IOReadCloser(), nil
}

// contextReader stops when its context ends.
type contextReader struct {
	ctx context.Context // of the one call that the reader serves
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// countingHash hashes and counts what is written to it.
type countingHash struct {
	hash.Hash
	n int64
}

func newCountingHash() *countingHash { return &countingHash{Hash: sha256.New()} }

func (c *countingHash) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

func (c *countingHash) digest() Digest { return Digest(c.Sum(nil)) }

// Sum returns the digest of a plaintext, as records have it.
func Sum(ctx context.Context, body storage.Body) (Digest, error) {
	sum := newCountingHash()
	_, err := io.Copy(sum, &contextReader{ctx: ctx, r: io.NewSectionReader(body, 0, body.Size())})
	return sum.digest(), err
}
