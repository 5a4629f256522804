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
	// compress is what compresses first: codec.Compress.
	compress func(dst, plain []byte) []byte
	all      bool        // compress also what would not get smaller
	warn     func(error) // tells of what went wrong and did no harm

	compressed, sealed, again []byte
}

// newSealers makes one sealer for each worker.
func newSealers(o WriterOptions, warn func(error)) (chan *sealer, error) {
	n := o.Workers
	if n <= 0 {
		n = max(2, runtime.GOMAXPROCS(0))
	}
	c, err := codec.New(o.Compression, n)
	if err != nil {
		return nil, err
	}
	if o.Near {
		c.LookNear()
	}
	pool := make(chan *sealer, n)
	for range n {
		pool <- &sealer{codec: c, compress: c.Compress, all: o.CompressAll, warn: warn}
	}
	return pool, nil
}

// errVerify says that sealed data did not open to what was given.
var errVerify = errors.New("verification before upload: sealed data does not open to what was given; this machine may have faulty memory or CPU")

// errMadeAgain tells of a mistake that did no harm.
var errMadeAgain = errors.New("what a blob was compressed to did not decompress to the blob, so it was compressed by another encoder: please report it, unless this machine has faulty memory or a faulty CPU")

// seal returns the stored form of a blob, valid until the next call, and the
// length to record for it: 0 when it is not compressed.
func (s *sealer) seal(key sealKey, t blob.Type, plain []byte) (sealed []byte, plainLength uint32, err error) {
	if s.compresses(t, plain) {
		plainLength = uint32(len(plain)) //nolint:gosec // blobs are at most 8 MiB
		err = s.sealCompressed(key, plain)
	} else {
		err = s.sealContent(key, plain)
	}
	if err != nil {
		return nil, 0, err
	}
	return s.sealed, plainLength, nil
}

// sealContent seals content, and proves that it opens.
func (s *sealer) sealContent(key sealKey, content []byte) (err error) {
	s.sealed, err = sealProven(key, s.sealed[:0], content)
	return err
}

// sealProven appends content, sealed, to dst, and proves that it opens (restic's
// "extra verify", internal/repository).
func sealProven(key sealKey, dst, content []byte) ([]byte, error) {
	sealed := key.Seal(dst, content)
	if err := key.OpensTo(sealed[len(dst):], content); err != nil {
		return sealed[:len(dst)], fmt.Errorf("%w: %w", errVerify, err)
	}
	return sealed, nil
}

// sealCompressed seals what plain is compressed to, and proves that it comes
// back. The proof is last: what was sealed is what is proven.
func (s *sealer) sealCompressed(key sealKey, plain []byte) error {
	s.compressed = s.compress(s.compressed[:0], plain)
	if err := s.sealContent(key, s.compressed); err != nil {
		return err
	}
	wrong := s.decompressesTo(plain)
	if wrong == nil {
		return nil
	}
	s.compressed = s.codec.CompressAgain(s.compressed[:0], plain)
	if err := s.sealContent(key, s.compressed); err != nil {
		return err
	}
	if err := s.decompressesTo(plain); err != nil {
		return err
	}
	s.warn(fmt.Errorf("%w (%d bytes; %w)", errMadeAgain, len(plain), wrong))
	return nil
}

// decompressesTo proves that what was compressed is plain.
func (s *sealer) decompressesTo(plain []byte) (err error) {
	if s.again, err = s.codec.DecompressAgain(s.again[:0], s.compressed, len(plain)); err != nil {
		return fmt.Errorf("%w: %w", errVerify, err)
	}
	if !bytes.Equal(s.again, plain) {
		return errVerify
	}
	return nil
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
