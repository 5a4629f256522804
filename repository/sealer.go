package repository

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"

	"holdfast/repository/blob"
	"holdfast/repository/internal/codec"
)

// sealKey is the part of seal.Key that blobs need.
type sealKey interface {
	Seal(dst, plain []byte) []byte
	Open(dst, sealed []byte) ([]byte, error)
	OpensTo(sealed, plain []byte) error
}

// sealer turns plaintext into the stored form of a blob and proves that it
// comes back. Its buffers are reused.
type sealer struct {
	codec *codec.Codec
	all   bool // compress also what would not get smaller

	compressed, sealed, again []byte
}

// newSealers makes one sealer for each worker.
func newSealers(o WriterOptions) (chan *sealer, error) {
	n := o.Workers
	if n <= 0 {
		n = max(2, runtime.GOMAXPROCS(0))
	}
	c, err := codec.New(o.Compression, n)
	if err != nil {
		return nil, err
	}
	pool := make(chan *sealer, n)
	for range n {
		pool <- &sealer{codec: c, all: o.CompressAll}
	}
	return pool, nil
}

// errVerify says that sealed data did not open to what was given.
var errVerify = errors.New("verification before upload: sealed data does not open to what was given; this machine may have faulty memory or CPU")

// seal returns the stored form of a blob, valid until the next call, and the
// length to record for it: 0 when it is not compressed.
func (s *sealer) seal(key sealKey, t blob.Type, plain []byte) (sealed []byte, plainLength uint32, err error) {
	content := plain
	if s.compresses(t, plain) {
		s.compressed = s.codec.Compress(s.compressed[:0], plain)
		content, plainLength = s.compressed, uint32(len(plain)) //nolint:gosec // blobs are at most 8 MiB
	}
	s.sealed = key.Seal(s.sealed[:0], content)
	if err := s.verify(key, plain, content, plainLength != 0); err != nil {
		return nil, 0, err
	}
	return s.sealed, plainLength, nil
}

// compresses decides whether a blob is compressed: trees always, data unless
// it is switched off or pointless. An empty blob cannot be marked compressed.
func (s *sealer) compresses(t blob.Type, plain []byte) bool {
	switch {
	case len(plain) == 0:
		return false
	case t == blob.Tree:
		return true
	}
	return s.codec.Level() != CompressionOff && (s.all || !codec.Incompressible(plain))
}

// verify proves that what was sealed opens to content, and that this is plain
// or decompresses to it (restic's "extra verify", internal/repository).
func (s *sealer) verify(key sealKey, plain, content []byte, compressed bool) error {
	if err := key.OpensTo(s.sealed, content); err != nil {
		return fmt.Errorf("%w: %w", errVerify, err)
	}
	if !compressed {
		return nil
	}
	var err error
	if s.again, err = s.codec.Decompress(s.again[:0], content, len(plain)); err != nil {
		return fmt.Errorf("%w: %w", errVerify, err)
	}
	if !bytes.Equal(s.again, plain) {
		return errVerify
	}
	return nil
}
