package compress

import (
	"encoding/binary"
	"math/bits"
)

// huffmanReader reads literals (section 4.2). The assembly knows its fields.
type huffmanReader struct {
	fast  bool // by the assembly
	known bool // whether there are codes, of this block or one before
	log   int  // the longest code, in bits
	// entries are what the next log bits begin with: the length of a code in
	// bits and, 8 bits higher, the literal that it stands for.
	// They have two bytes each.
	entries [2 << mostHuffman]byte

	weights [256]uint8
	norm    fseNorm
	codes   [1 << mostLog]uint8
	cells   [1 << weightLog]weightCell
	sorted  [256]uint8 // literals by their weights

	streams [4]literalStream
}

// together is how many literals are read from a stream at a time: their bits
// are part of a word.
const together = 5

// weightCell is a weight, and what leads to the next one.
type weightCell struct{ weight, bits, next uint8 }

// readTree makes the table that b begins with, and returns its length in bytes;
// 0 if it is damaged.
func (h *huffmanReader) readTree(b []byte) int {
	h.known = false
	if len(b) < 2 {
		return 0
	}
	size, n := int(b[0]), 0
	if size >= 128 {
		n = size - 127
		size = (n + 1) / 2
		if size > len(b)-1 {
			return 0
		}
		for k, two := range b[1 : 1+size] {
			h.weights[2*k&255], h.weights[(2*k+1)&255] = two>>4, two&15
		}
	} else {
		if size > len(b)-1 {
			return 0
		}
		n = h.readWeights(b[1 : 1+size])
	}
	h.known = n > 0 && h.build(n)
	if !h.known {
		return 0
	}
	return 1 + size
}

// readWeights reads what appendWeights wrote, and returns how many there are; 0
// if it is damaged.
func (h *huffmanReader) readWeights(b []byte) int {
	size := h.norm.read(b, weightLog, mostHuffman+1)
	if size == 0 || size == len(b) || b[len(b)-1] == 0 {
		return 0
	}
	h.buildWeights()
	b = b[size:]
	at := 8*len(b) - 8 + bits.Len8(b[len(b)-1]) - 1
	log := h.norm.log
	// take returns the n bits before at, which there are.
	take := func(n int) int {
		at -= n
		return int(bitsAt(b, at)) & (1<<n - 1) //nolint:gosec // at most 6 bits
	}
	if at < 2*log {
		return 0
	}
	one := h.cells[take(log)&(1<<weightLog-1)]
	two := h.cells[take(log)&(1<<weightLog-1)]
	n := 0
	// Four pairs take 48 bits at most, of the 57 at least that a word has.
	for ; at >= 64 && n < 240; n += 8 {
		word, end := wordAt(b, at>>3-7), uint(at&7+56)
		for k := n; k < n+8; k += 2 {
			h.weights[k&255], h.weights[(k+1)&255] = one.weight, two.weight
			end -= uint(one.bits)
			one = h.cells[(uint64(one.next)+word>>(end&63)&(1<<(one.bits&7)-1))&(1<<weightLog-1)]
			end -= uint(two.bits)
			two = h.cells[(uint64(two.next)+word>>(end&63)&(1<<(two.bits&7)-1))&(1<<weightLog-1)]
		}
		at = at&^7 - 56 + int(end) //nolint:gosec // less than 64
	}
	for ; n < 254; n++ {
		h.weights[n] = one.weight
		if int(one.bits) > at {
			h.weights[n+1] = two.weight
			if at != 0 {
				return 0
			}
			return n + 2
		}
		one, two = two, h.cells[(int(one.next)+take(int(one.bits)))&(1<<weightLog-1)]
	}
	return 0
}

// buildWeights makes the table that weights are read with.
func (h *huffmanReader) buildWeights() {
	f := &h.norm
	f.spread(&h.codes)
	var next [mostHuffman + 1]uint8
	for n, norm := range f.cells[:f.codes] {
		next[n] = uint8(max(norm, -norm)) //nolint:gosec // at most 64
	}
	cells := 1 << f.log
	for n, weight := range h.codes[:cells] {
		state := next[weight]
		next[weight]++
		away := f.log + 1 - bits.Len8(state)
		h.cells[n&(1<<weightLog-1)] = weightCell{weight, uint8(away), uint8(int(state)<<away - cells)} //nolint:gosec // less than 64
	}
}

// build makes the table of literals of which n have a weight, and the last one
// has what is left (section 4.2.1.1). It tells whether they make a whole table.
func (h *huffmanReader) build(n int) bool {
	var many [16]int
	for _, weight := range h.weights[:n] {
		many[weight&15]++
	}
	sum := 0
	for weight := 1; weight < len(many); weight++ {
		if weight > mostHuffman && many[weight] > 0 {
			return false
		}
		sum += many[weight] << (weight - 1)
	}
	if n > 255 || sum == 0 {
		return false
	}
	h.log = bits.Len(uint(sum)) //nolint:gosec // not negative
	left := 1<<h.log - sum
	if h.log > mostHuffman || left&(left-1) != 0 {
		return false
	}
	last := bits.Len(uint(left)) //nolint:gosec // not negative
	h.weights[n] = uint8(last)   //nolint:gosec // at most 11
	many[last]++
	if many[1] < 2 || many[1]&1 != 0 {
		return false
	}
	h.fill(n+1, &many)
	return true
}

// fill makes the entries of n literals, of which so many have each weight. A
// weight is the power of two, and 1, of how many entries a literal has. What is
// written is the same for all of a weight: no CPU guesses their order.
func (h *huffmanReader) fill(n int, many *[16]int) {
	var next [16]uint8
	sum := uint8(0)
	for weight := range next {
		next[weight] = sum
		sum += uint8(many[weight]) //nolint:gosec // modulo 256, as all of it may be one weight
	}
	for literal, weight := range h.weights[:n] {
		h.sorted[next[weight&15]] = uint8(literal) //nolint:gosec // at most 255
		next[weight&15]++
	}
	sorted, entries := h.sorted[many[0]:n], h.entries[:]
	for weight := 1; weight <= h.log; weight++ {
		length := uint64(h.log + 1 - weight) //nolint:gosec // not negative
		literals := sorted[:many[weight]]
		sorted = sorted[many[weight]:]
		switch weight {
		case 1:
			for _, literal := range literals {
				binary.LittleEndian.PutUint16(entries, uint16(length|uint64(literal)<<8)) //nolint:gosec // 16 bits
				entries = entries[2:]
			}
		case 2:
			for _, literal := range literals {
				binary.LittleEndian.PutUint32(entries, uint32((length|uint64(literal)<<8)*0x10001)) //nolint:gosec // 32 bits
				entries = entries[4:]
			}
		default:
			size := 1 << weight
			for _, literal := range literals {
				four := (length | uint64(literal)<<8) * 0x1000100010001
				for k := 0; k < size; k += 8 {
					binary.LittleEndian.PutUint64(entries[k:], four)
				}
				entries = entries[size:]
			}
		}
	}
}

// read reads literals that are coded, as one stream or as four.
func (h *huffmanReader) read(literals, coded []byte, four bool) bool {
	if !four {
		s := &h.streams[0]
		if !s.begin(literals, coded) {
			return false
		}
		if h.fast {
			readStreams(h, false)
		}
		return s.read(h)
	}
	const sizes = 6
	each := (len(literals) + 3) / 4
	if len(coded) < sizes+4 || 3*each > len(literals) {
		return false
	}
	streams := coded[sizes:]
	for n := range h.streams {
		size := len(streams)
		if n < 3 {
			size = int(binary.LittleEndian.Uint16(coded[2*n:]))
		}
		if size > len(streams) || !h.streams[n].begin(literals[n*each:min(n*each+each, len(literals))], streams[:size]) {
			return false
		}
		streams = streams[size:]
	}
	if h.fast {
		readStreams(h, true)
	}
	for n := range h.streams {
		if !h.streams[n].read(h) {
			return false
		}
	}
	return true
}

// literalStream is what is left of a stream, which is read from its end.
type literalStream struct {
	literals []byte
	coded    []byte
	bits     int // those before it are to be read
}

func (s *literalStream) begin(literals, coded []byte) bool {
	if len(coded) == 0 || coded[len(coded)-1] == 0 {
		return false
	}
	*s = literalStream{literals, coded, 8*len(coded) - 8 + bits.Len8(coded[len(coded)-1]) - 1}
	return true
}

// read reads the rest of a stream, and tells whether it ends where it should.
func (s *literalStream) read(h *huffmanReader) bool {
	literals, at := s.literals, s.bits
	for at >= 64 && len(literals) >= together {
		at -= h.readWord(literals[:together], s.word(at))
		literals = literals[together:]
	}
	if len(literals) > 64 {
		return false // each has a bit at least
	}
	return at-h.readWord(literals, s.word(at)) == 0
}

// word returns the bits before at, the last one highest: 57 at least, if there
// are as many.
func (s *literalStream) word(at int) uint64 {
	if at >= 64 {
		return wordAt(s.coded, at>>3-7) << (8 - at&7)
	}
	return bitsAt(s.coded, 0) << (64 - at)
}

// readWord reads literals from the highest bits of a word, and returns how many
// bits that took.
func (h *huffmanReader) readWord(literals []byte, word uint64) int {
	shift, used := uint(64-h.log), 0 //nolint:gosec // at most 11
	for n := range literals {
		e := binary.LittleEndian.Uint16(h.entries[2*(word>>(shift&63)&(1<<mostHuffman-1)):])
		literals[n] = byte(e >> 8)
		word <<= e & 63
		used += int(e & 255)
	}
	return used
}
