package logarchive

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"holdfast/storage"
)

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
