package compress

import (
	"encoding/binary"
	"errors"
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
	window, body, err := frameHeader(frame, n)
	if err != nil {
		return dst, err
	}
	d.huffman.known = false
	defer d.finish()
	d.sequences.begin(dst[start:start+n+Slack], window)
	most := min(window, blockSize)
	for last := false; !last; {
		if len(body) < blockHeaderSize {
			return dst, errBroken
		}
		h := int(body[0]) | int(body[1])<<8 | int(body[2])<<16
		body = body[blockHeaderSize:]
		last = h&1 != 0
		kind, size := h>>1&3, h>>3
		stored := size
		if kind == repeatedBlock {
			stored = 1
		}
		if size > most || stored > len(body) || !d.block(kind, size, most, frame[:len(frame)-len(body)+stored], body[:stored]) {
			return dst, errBroken
		}
		body = body[stored:]
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

// frameHeader reads a frame's header (section 3.1.1.1), and returns its window
// and what follows.
func frameHeader(frame []byte, n int) (window int, body []byte, err error) {
	if len(frame) < 6 || binary.LittleEndian.Uint32(frame) != frameMagic {
		return 0, nil, errOtherKind
	}
	const unknown = 1<<3 | 1<<2 | 3 // reserved, a checksum, a dictionary
	descriptor := frame[4]
	if descriptor&unknown != 0 {
		return 0, nil, errOtherKind
	}
	single := descriptor&singleSegment != 0
	lengthSize := 1 << (descriptor >> 6)
	if lengthSize == 1 && !single {
		lengthSize = 0
	}
	body = frame[5:]
	window = max(n, leastWindow)
	if !single {
		log := 10 + body[0]>>3
		window = (8 + int(body[0]&7)) << (log - 3)
		body = body[1:]
	}
	if len(body) < lengthSize || window > mostWindow {
		return 0, nil, errOtherKind
	}
	var length uint64
	switch lengthSize {
	case 0:
		return window, body, nil
	case 1:
		length = uint64(body[0])
	case 2:
		length = uint64(binary.LittleEndian.Uint16(body)) + 256
	case 4:
		length = uint64(binary.LittleEndian.Uint32(body))
	case 8:
		length = binary.LittleEndian.Uint64(body)
	}
	if length != uint64(n) { //nolint:gosec // not negative
		return 0, nil, errOtherKind
	}
	return window, body[lengthSize:], nil
}

// block reads a block, of which body is stored, the end of frame as far as it
// is given. most is how much plaintext it may have. It tells whether it is right.
func (d *Decoder) block(kind, size, most int, frame, body []byte) bool {
	s := &d.sequences
	s.end = min(s.at+most, len(s.plain)-Slack)
	switch kind {
	case rawBlock:
		return s.append(body)
	case repeatedBlock:
		return s.repeat(body[0], size)
	case compressedBlock:
		literals, body, ok := d.readLiterals(body, most)
		return ok && s.read(frame, body, literals)
	}
	return false
}
