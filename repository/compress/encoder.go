package compress

import (
	"encoding/binary"
	"math"
)

const (
	// blockSize is the most that a block may hold (RFC 8878, section 3.1.1.2).
	blockSize = 128 << 10
	// leastBlock is the length in bytes below which a block is stored as it is.
	leastBlock = 24
	// MaxPlain is the most that a frame is made of, in bytes.
	MaxPlain = 1 << 28
)

// Encoder makes frames, one at a time. It belongs to one goroutine. Of its
// 1 MiB of memory it touches what its largest plaintext needs.
type Encoder struct {
	searcher searcher
	recent   [3]uint32 // the last three offsets, as readers know them
	counts   counts
	tables   tables
	huffman  huffman
	literals []byte // of a block
	body     []byte // of a compressed block
}

// NewEncoder returns an encoder.
func NewEncoder() *Encoder { return newEncoder(mostLong, mostShort) }

// NewNear returns an encoder for plaintexts in which what repeats lies near, as
// in pages of a database: it remembers less, which takes it two thirds of the
// time, and what it finds takes less to write down.
func NewNear() *Encoder { return newEncoder(mostNearLong, mostNearShort) }

func newEncoder(long, short int) *Encoder {
	e := &Encoder{literals: make([]byte, blockSize+pieceSize)}
	e.searcher.prepare(long, short)
	e.tables.prepare()
	return e
}

// Bound returns the greatest length in bytes of a frame of n bytes of
// plaintext.
func Bound(n int) int {
	return frameOverhead + n + (n/blockSize+1)*blockHeaderSize
}

// Append appends plain, at most MaxPlain bytes, as one frame to dst and returns
// the extended slice. It allocates nothing if dst has room for
// Bound(len(plain)) bytes.
func (e *Encoder) Append(dst, plain []byte) []byte {
	if len(plain) > MaxPlain {
		panic("compress: more than a frame is made of")
	}
	dst = appendFrameHeader(dst, len(plain))
	e.begin(plain)
	for start := 0; ; start += blockSize {
		end := min(start+blockSize, len(plain))
		dst = e.appendBlock(dst, start, end)
		if end == len(plain) {
			e.searcher.finish()
			return dst
		}
	}
}

// begin prepares for a plaintext.
func (e *Encoder) begin(plain []byte) {
	e.searcher.begin(plain)
	for n, offset := range firstOffsets {
		e.recent[n] = uint32(offset)
	}
	e.forgetTables()
}

// forgetTables makes the next block do without those of the one before.
func (e *Encoder) forgetTables() {
	e.tables.forget()
	e.huffman.last.used = 0
}

// The kinds of blocks (section 3.1.1.2.2).
const (
	rawBlock = iota
	repeatedBlock
	compressedBlock
)

const blockHeaderSize = 3

func appendBlockHeader(dst []byte, kind, size int, last bool) []byte {
	h := uint32(size)<<3 | uint32(kind)<<1 //nolint:gosec // at most 21 bits
	if last {
		h |= 1
	}
	return append(dst, byte(h), byte(h>>8), byte(h>>16))
}

// appendBlock appends plain[start:end] as a block.
func (e *Encoder) appendBlock(dst []byte, start, end int) []byte {
	plain := e.searcher.plain
	last := end == len(plain)
	if end-start >= leastBlock {
		e.searcher.search(start, end)
		if e.searcher.oneByte() {
			dst = appendBlockHeader(dst, repeatedBlock, end-start, last)
			return append(dst, plain[start])
		}
		before := e.recent
		if e.compress(start, end) {
			dst = appendBlockHeader(dst, compressedBlock, len(e.body), last)
			return append(dst, e.body...)
		}
		// Readers see nothing of it.
		e.recent = before
		e.forgetTables()
	}
	dst = appendBlockHeader(dst, rawBlock, end-start, last)
	return append(dst, plain[start:end]...)
}

// compress makes the body of a block, and tells whether that is worth it.
func (e *Encoder) compress(start, end int) bool {
	s := &e.searcher
	size := end - start
	sequences := s.sequences[:s.count]
	literals := gather(e.literals, s.plain, start, end, sequences, &e.recent, &e.counts)
	if len(literals) > size-size>>6 {
		return false // as random data; not worth the time
	}
	e.body = e.huffman.appendLiterals(e.body[:0], literals)
	e.body = e.tables.appendSequences(e.body, sequences, &e.counts)
	return len(e.body) < size-size>>7
}

// The frame header (section 3.1.1.1): magic number, descriptor, and the length
// of the plaintext. The whole frame is one segment, so that readers need no
// window beside the plaintext.
const (
	frameMagic    = 0xfd2fb528
	frameOverhead = 4 + 1 + 8
	singleSegment = 1 << 5
)

func appendFrameHeader(dst []byte, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	switch {
	case n < 256:
		return append(dst, singleSegment, byte(n))
	case n < 256+math.MaxUint16+1:
		n -= 256
		return append(dst, singleSegment|1<<6, byte(n), byte(n>>8))
	}
	return append(dst, singleSegment|2<<6, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}
