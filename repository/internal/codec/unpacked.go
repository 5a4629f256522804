package codec

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// compressedMark is the first byte of an unpacked file, an index, snapshot
// or lock, that is compressed; JSON itself never begins with it
// (doc/design.rst, "Unpacked Data Format").
const compressedMark = 2

// ErrUnpacked marks an unpacked file that is neither JSON nor compressed in
// the one way the format knows.
var ErrUnpacked = errors.New("unknown form of unpacked file")

// ErrTooLarge says that a file would take more memory than the caller allows.
var ErrTooLarge = errors.New("unpacked file too large")

// EncodeUnpacked appends the stored form of an unpacked file's JSON to dst. It
// is the library's work: nobody proves that these files come back. By default
// the quick encoder does it, which makes no more of the IDs in an index, and
// takes half the time.
func (c *Codec) EncodeUnpacked(dst, json []byte) []byte {
	dst = append(dst, compressedMark)
	if c.level == Default {
		return c.quick.EncodeAll(json, dst)
	}
	return c.CompressAgain(dst, json)
}

// DecodeUnpacked returns the JSON of an unpacked file, at most limit bytes:
// stored itself if it is not compressed. It returns ErrUnpacked, ErrDamaged
// or ErrTooLarge; a frame that does not say its length and is larger than
// allowed may count as damaged.
func (c *Codec) DecodeUnpacked(stored []byte, limit int) ([]byte, error) {
	if len(stored) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrUnpacked)
	}
	switch stored[0] {
	case '{', '[':
		if len(stored) > limit {
			return nil, fmt.Errorf("%w: %d bytes, %d allowed", ErrTooLarge, len(stored), limit)
		}
		return stored, nil
	case compressedMark:
		return c.decodeFrame(stored[1:], limit)
	}
	return nil, fmt.Errorf("%w: first byte %#02x", ErrUnpacked, stored[0])
}

// decodeFrame decompresses a frame of unknown length.
func (c *Codec) decodeFrame(frame []byte, limit int) ([]byte, error) {
	var header zstd.Header
	if err := header.Decode(frame); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if header.HasFCS {
		if header.FrameContentSize > uint64(max(0, limit)) {
			return nil, fmt.Errorf("%w: %d bytes, %d allowed", ErrTooLarge, header.FrameContentSize, limit)
		}
		// What the header promises is not yet true: room comes with proof.
		return c.decodeGrowing(frame, limit, min(int(header.FrameContentSize), maxFirstRoom))
	}
	return c.decodeGrowing(frame, limit, min(max(0, limit), firstRoomRatio*len(frame)+1))
}

const (
	// maxFirstRoom is how much room a header's promise alone is given.
	maxFirstRoom = 64 << 20
	// firstRoomRatio is how well JSON usually compresses.
	firstRoomRatio = 8
)

// decodeGrowing decompresses with ever more room, up to the limit. The
// decoder has several errors for too little room, some of which damage gives
// too: more room tells them apart.
func (c *Codec) decodeGrowing(frame []byte, limit, room int) ([]byte, error) {
	for {
		out, err := c.decoder.DecodeAll(frame, make([]byte, 0, room))
		switch {
		case err == nil:
			return out, nil
		case room < limit:
			room = min(limit, 2*room+1)
		case errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return nil, fmt.Errorf("%w: over %d bytes", ErrTooLarge, limit)
		default:
			return nil, fmt.Errorf("%w, or over %d bytes: %w", ErrDamaged, limit, err)
		}
	}
}
