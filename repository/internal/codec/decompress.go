package codec

import (
	"errors"
	"fmt"
	"slices"

	"holdfast/repository/compress"
)

// Slack is room, in bytes, behind the plaintext that is decompressed: with it
// matches are copied in whole pieces up to the end.
const Slack = compress.Slack

// ErrOwnMistake tells of a mistake of our decoder, which did no harm.
var ErrOwnMistake = errors.New("a blob was not decompressed right, so it was decompressed by another decoder: please report it, unless this machine has faulty memory or a faulty CPU")

// TellMistakes has f told of mistakes of our decoder. It is called before
// anything is decompressed.
func (c *Codec) TellMistakes(f func(error)) { c.mistake = f }

// Decompress appends the plaintext of a frame, known to have plainLength
// bytes, to dst and returns the extended slice. It allocates nothing if dst
// has room for that and Slack bytes more. It returns ErrDamaged, and dst as it
// was, if the frame holds anything else, and never writes beyond those bytes.
//
// That is the work of a decoder of our own, where it is faster. Callers know the
// plaintext's hash, and compare it. What our decoder does not read the library's
// judges.
func (c *Codec) Decompress(dst, frame []byte, plainLength int) ([]byte, error) {
	if !c.readsOwn {
		return c.DecompressAgain(dst, frame, plainLength)
	}
	own, wrong := c.decompressOwn(dst, frame, plainLength)
	if wrong == nil {
		return own, nil
	}
	out, err := c.DecompressAgain(dst, frame, plainLength)
	if err == nil && !compress.IsOtherKind(wrong) && c.mistake != nil {
		c.mistake(fmt.Errorf("%w (%d bytes; %w)", ErrOwnMistake, plainLength, wrong))
	}
	return out, err
}

// decompressOwn is Decompress by our decoder alone.
func (c *Codec) decompressOwn(dst, frame []byte, plainLength int) ([]byte, error) {
	if plainLength < 0 {
		return dst, fmt.Errorf("%w: length %d", ErrDamaged, plainLength)
	}
	own := <-c.readers
	if own == nil {
		own = compress.NewDecoder()
	}
	defer func() { c.readers <- own }()
	return c.read(own, slices.Grow(dst, plainLength+Slack), frame, plainLength)
}

// DecompressAgain is Decompress by the library's decoder alone. It shares
// nothing with our encoder, and so can prove what that made.
func (c *Codec) DecompressAgain(dst, frame []byte, plainLength int) ([]byte, error) {
	if plainLength < 0 {
		return dst, fmt.Errorf("%w: length %d", ErrDamaged, plainLength)
	}
	start := len(dst)
	grown := slices.Grow(dst, plainLength+Slack)
	out, err := c.decoder.DecodeAll(frame, grown[:start:start+plainLength+Slack])
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(out) != start+plainLength {
		return dst, fmt.Errorf("%w: %d bytes, want %d", ErrDamaged, len(out)-start, plainLength)
	}
	if plainLength > 0 && &out[start] != &grown[:start+1][start] {
		copy(grown[start:start+plainLength], out[start:]) // the decoder chose other memory
	}
	return grown[:start+plainLength], nil
}
