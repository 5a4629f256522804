package cache

import (
	"crypto/sha256"
	"hash"
	"io"

	"holdfast/repository/id"
)

// hashWriter hashes what it passes on, and keeps the error of writing apart
// from that of reading.
type hashWriter struct {
	w    io.Writer
	hash hash.Hash
	err  error
}

func newHashWriter(w io.Writer) *hashWriter { return &hashWriter{w: w, hash: sha256.New()} }

func (h *hashWriter) Write(p []byte) (int, error) {
	h.hash.Write(p) //nolint:errcheck // a hash.Hash never fails
	n, err := h.w.Write(p)
	h.err = err
	return n, err
}

func (h *hashWriter) sum() id.ID {
	var i id.ID
	h.hash.Sum(i[:0])
	return i
}
