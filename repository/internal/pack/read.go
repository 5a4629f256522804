package pack

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"holdfast/repository/blob"
)

// guessedTail is how much of a pack's end is read at first: room for about
// 400 entries, so that nearly every header of a pack of data costs a single
// request, while a request this small costs no more than its round trip.
const guessedTail = 16 << 10

// A RangeReader reads length bytes of one pack from offset on, as Get of a
// storage.Store does for its key.
type RangeReader func(ctx context.Context, offset, length int64) (io.ReadCloser, error)

// An Opener authenticates and decrypts sealed bytes and appends the plaintext
// to dst, as a key of package seal does.
type Opener func(dst, sealed []byte) ([]byte, error)

// ReadHeader returns the blobs listed in the header of a pack of size bytes,
// in a repository of the given version. It reads the end of the pack, and
// reads once more when the header is longer than guessed. The ID of the pack
// is left zero in the blobs.
//
// Errors wrap ErrDamaged unless they come from get or open. The blobs
// returned satisfy CheckLayout.
func ReadHeader(ctx context.Context, get RangeReader, size int64, version uint, open Opener) ([]blob.Blob, error) {
	sealed, err := readSealedHeader(ctx, get, size)
	if err != nil {
		return nil, err
	}
	plain, err := open(nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("open header of pack: %w", err)
	}
	blobs, err := DecodeHeader(plain, version)
	if err != nil {
		return nil, err
	}
	if err := CheckLayout(size, blobs); err != nil {
		return nil, err
	}
	return blobs, nil
}

// readSealedHeader returns the sealed header without its length field.
func readSealedHeader(ctx context.Context, get RangeReader, size int64) ([]byte, error) {
	if size < Overhead+PlainEntrySize {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, size)
	}
	tail, err := readRange(ctx, get, max(0, size-guessedTail), min(size, guessedTail))
	if err != nil {
		return nil, err
	}
	body := tail[:len(tail)-lengthSize]
	length := int64(binary.LittleEndian.Uint32(tail[len(body):]))
	switch {
	case length < blob.Overhead+PlainEntrySize || length > MaxHeaderSize || length > size-lengthSize:
		return nil, fmt.Errorf("%w: its header cannot be %d bytes long", ErrDamaged, length)
	case length <= int64(len(body)):
		return body[int64(len(body))-length:], nil
	}
	missing, err := readRange(ctx, get, size-lengthSize-length, length-int64(len(body)))
	if err != nil {
		return nil, err
	}
	return append(missing, body...), nil
}

func readRange(ctx context.Context, get RangeReader, offset, length int64) ([]byte, error) {
	r, err := get(ctx, offset, length)
	if err != nil {
		return nil, fmt.Errorf("read header of pack: %w", err)
	}
	p := make([]byte, length)
	_, err = io.ReadFull(r, p)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read header of pack: %w", err)
	}
	return p, nil
}
