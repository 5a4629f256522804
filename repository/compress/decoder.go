package compress

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrNotRead says that a Decoder does not read a frame. Either it is damaged, or
// it is one of those that few programs make and that other decoders read.
var ErrNotRead = errors.New("frame not read")

// errOtherKind and errBroken tell the two apart.
var (
	errOtherKind = &notRead{"of a kind that is not known here"}
	errBroken    = &notRead{"damaged"}
)

type notRead struct{ why string }

func (e *notRead) Error() string   { return ErrNotRead.Error() + ": " + e.why }
func (e *notRead) Is(t error) bool { return t == ErrNotRead }

// IsOtherKind tells whether a frame was not read because it is of a kind that
// Decoder leaves to others: with a dictionary, a checksum or another frame
// behind it, or that is about another length than was asked for.
func IsOtherKind(err error) bool { return errors.Is(err, errOtherKind) }

const (
	// Slack is the room, in bytes, behind a plaintext that a Decoder needs, so
	// that it can copy in whole pieces up to the end.
	Slack = copied
	// copied is how many bytes are copied at once. Most matches and runs of
	// literals are shorter.
	copied = 32
	// mostWindow is the largest window of a frame that is read: that of
	// zstd's highest level.
	mostWindow = 128 << 20
	// leastWindow is the smallest (section 3.1.1.1.2).
	leastWindow = 1 << 10
)

// Decoder reads frames whose length is known into memory that is large enough,
// one at a time. It belongs to one goroutine and takes 160 KiB.
//
// What it reads is what any decoder reads. It may refuse what others read, but
// only frames that no encoder makes, or those of IsOtherKind.
type Decoder struct {
	literals  []byte // of a block, with room for copied bytes more
	huffman   huffmanReader
	sequences sequenceReader
}

// DecodesFast tells whether a Decoder takes less time than the library's, which
// it does where there is assembly for this CPU.
func DecodesFast() bool { return hasFast() }

// NewDecoder returns a decoder.
func NewDecoder() *Decoder { return makeDecoder(hasFast()) }

func makeDecoder(fast bool) *Decoder {
	d := &Decoder{literals: make([]byte, blockSize+copied)}
	d.huffman.fast, d.sequences.fast = fast, fast
	return d
}

// Append appends the plaintext of a frame, which must have n bytes, to dst and
// returns the extended slice. dst must have room for n + Slack bytes, and may
// be written to so far whatever is returned. It returns ErrNotRead, and dst as it
// was, if the frame does not hold that, or is not known here.
func (d *Decoder) Append(dst, frame []byte, n int) ([]byte, error) {
	start := len(dst)
	if n < 0 || cap(dst)-start < n+Slack {
		panic("compress: no room for the plaintext")
	}
	h, body, ok := readHeader(frame)
	if !ok || !h.is(n) {
		return dst, errOtherKind
	}
	window := int(h.window) //nolint:gosec // at most mostWindow
	d.huffman.known = false
	defer d.finish()
	d.sequences.begin(dst[start:start+n+Slack], window)
	most := min(window, blockSize)
	for last := false; !last; {
		b, ok := firstBlock(body)
		if !ok || b.size > most || !d.block(b, most, frame[:len(frame)-len(body)+blockHeaderSize+len(b.body)]) {
			return dst, errBroken
		}
		body, last = body[blockHeaderSize+len(b.body):], b.last
	}
	switch {
	case d.sequences.at != n:
		return dst, errBroken
	case len(body) > 0:
		return dst, errOtherKind
	}
	return dst[:start+n], nil
}

// finish lets go of the memory of others.
func (d *Decoder) finish() {
	d.sequences.finish()
	d.huffman.streams = [4]literalStream{}
}

// frameHeader is what the header of a frame says (section 3.1.1.1).
type frameHeader struct {
	window uint64
	// length is that of the plaintext, where it is told.
	length uint64
	told   bool
}

// is tells whether a frame may have n bytes of plaintext.
func (h frameHeader) is(n int) bool { return !h.told || h.length == uint64(n) } //nolint:gosec // not negative

// readHeader reads the header of a frame, and returns what follows. It fails for
// frames that are not known here.
func readHeader(frame []byte) (h frameHeader, body []byte, ok bool) {
	if len(frame) < 6 || binary.LittleEndian.Uint32(frame) != frameMagic {
		return h, nil, false
	}
	const unknown = 1<<3 | 1<<2 | 3 // reserved, a checksum, a dictionary
	descriptor := frame[4]
	if descriptor&unknown != 0 {
		return h, nil, false
	}
	single := descriptor&singleSegment != 0
	lengthSize := 1 << (descriptor >> 6)
	if lengthSize == 1 && !single {
		lengthSize = 0
	}
	body = frame[5:]
	if !single {
		log := 10 + body[0]>>3
		h.window = (8 + uint64(body[0]&7)) << (log - 3)
		body = body[1:]
	}
	if len(body) < lengthSize {
		return h, nil, false
	}
	h.told = lengthSize > 0
	switch lengthSize {
	case 1:
		h.length = uint64(body[0])
	case 2:
		h.length = uint64(binary.LittleEndian.Uint16(body)) + 256
	case 4:
		h.length = uint64(binary.LittleEndian.Uint32(body))
	case 8:
		h.length = binary.LittleEndian.Uint64(body)
	}
	if single {
		h.window = max(h.length, leastWindow)
	}
	return h, body[lengthSize:], h.window <= mostWindow
}

// block is one of a frame (section 3.1.1.2).
type block struct {
	kind, size int
	last       bool
	body       []byte // as it is stored
}

// firstBlock reads the block that b begins with.
func firstBlock(b []byte) (_ block, ok bool) {
	if len(b) < blockHeaderSize {
		return block{}, false
	}
	h := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	found := block{kind: h >> 1 & 3, size: h >> 3, last: h&1 != 0}
	stored := found.size
	if found.kind == repeatedBlock {
		stored = 1
	}
	b = b[blockHeaderSize:]
	if stored > len(b) {
		return block{}, false
	}
	found.body = b[:stored]
	return found, true
}

// First returns the first of several frames that lie one behind the other, how
// many bytes of plaintext it says that it has, and what follows it. It returns
// ErrNotRead for what does not say that, or is not known here.
func First(frames []byte) (frame []byte, n int, rest []byte, err error) {
	h, body, ok := readHeader(frames)
	if !ok || !h.told || h.length > math.MaxInt32 {
		return nil, 0, nil, errOtherKind
	}
	for last := false; !last; {
		b, ok := firstBlock(body)
		if !ok {
			return nil, 0, nil, errBroken
		}
		body, last = body[blockHeaderSize+len(b.body):], b.last
	}
	return frames[:len(frames)-len(body)], int(h.length), body, nil
}

// block reads a block, up to the end of frame as far as it is given. most is how
// much plaintext it may have. It tells whether it is right.
func (d *Decoder) block(b block, most int, frame []byte) bool {
	s := &d.sequences
	s.end = min(s.at+most, len(s.plain)-Slack)
	switch b.kind {
	case rawBlock:
		return s.append(b.body)
	case repeatedBlock:
		return s.repeat(b.body[0], b.size)
	case compressedBlock:
		literals, section, ok := d.readLiterals(b.body, most)
		return ok && s.read(frame, section, literals)
	}
	return false
}
