package logarchive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"holdfast/storage"
)

// maxWindowBytes bounds the memory for opening a payload.
const maxWindowBytes = 8 << 20

// openTo writes the plaintext in a payload to w.
func (a *Archive) openTo(w io.Writer, payload io.Reader) error {
	decrypted, err := age.Decrypt(payload, a.o.Identities...)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	d, err := a.decompressor(decrypted)
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	if _, err := d.WriteTo(w); err != nil {
		return err // a decompressor that failed is not used again
	}
	if err := d.Reset(nil); err == nil {
		a.decompressors.Put(d)
	}
	return nil
}

// decompressor returns one that was used before, or a new one: its memory is a
// window, and clearing that for each segment takes time.
func (a *Archive) decompressor(r io.Reader) (*zstd.Decoder, error) {
	if d, ok := a.decompressors.Get().(*zstd.Decoder); ok {
		return d, d.Reset(r)
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindowBytes), zstd.WithDecoderLowmem(true))
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
