package compress

import (
	"encoding/binary"
	"math/bits"
)

// bitsAt returns the bits of b from bit at on, at least 57 if b has as many, and
// zeros behind its end.
func bitsAt(b []byte, at int) uint64 {
	from := at >> 3
	if from+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[from:]) >> (at & 7)
	}
	var rest [8]byte
	copy(rest[:], b[min(from, len(b)):])
	return binary.LittleEndian.Uint64(rest[:]) >> (at & 7)
}

// fseNorm is how many of the 1<<log cells of a table each code has.
type fseNorm struct {
	log   int
	codes int
	cells [64]int16 // lessThanOne is one of the last
}

// read reads what appendNorm wrote, of a table that is no larger than most says
// and has so many codes at most, and returns its length in bytes; 0 if it is
// damaged.
func (f *fseNorm) read(b []byte, most, codes int) int {
	const leastNorm = 4 // with what always follows it
	if len(b) < leastNorm {
		return 0
	}
	f.log = int(b[0]&15) + leastLog
	if f.log > most {
		return 0
	}
	at := 4
	left, threshold, width := 1<<f.log+1, 1<<f.log, f.log+1
	n := 0
	for left > 1 {
		if n >= codes {
			return 0
		}
		word := int(bitsAt(b, at) & (1<<mostLog*4 - 1)) //nolint:gosec // some bits of it
		spare := 2*threshold - 1 - left
		value := word & (threshold - 1)
		at += width - 1
		if value >= spare {
			value = word & (2*threshold - 1)
			if value >= threshold {
				value -= spare
			}
			at++
		}
		f.cells[n&63] = int16(value - 1) //nolint:gosec // at most 1<<mostLog
		n++
		left -= max(value-1, 1-value)
		for left < threshold {
			width--
			threshold >>= 1
		}
		if value != 1 {
			continue
		}
		for more := 3; more == 3; {
			more = int(bitsAt(b, at) & 3) //nolint:gosec // at most 3
			at += 2
			if n+more > codes {
				return 0
			}
			for range more {
				f.cells[n&63] = 0
				n++
			}
		}
	}
	f.codes = n
	size := (at + 7) >> 3
	if n < 2 || size > len(b) {
		return 0
	}
	return size
}

// spread gives out the cells of a table to the codes: the last ones to those
// that are less than one, the others in turns (section 4.1.1).
func (f *fseNorm) spread(codes *[1 << mostLog]uint8) {
	cells := 1 << f.log
	end := cells
	// The codes one after the other, in whole words: no CPU guesses how many.
	var row [1<<mostLog + 8]uint8
	n := 0
	for code, norm := range f.cells[:f.codes] {
		if norm == lessThanOne {
			end--
			codes[end&(1<<mostLog-1)] = uint8(code) //nolint:gosec // less than 64
			continue
		}
		word := uint64(code) * 0x0101010101010101 //nolint:gosec // likewise
		for k := 0; k < int(norm); k += 8 {
			binary.LittleEndian.PutUint64(row[(n+k)&(1<<mostLog-1):], word)
		}
		n += int(norm)
	}
	step, mask, at := cells>>1+cells>>3+3, cells-1, 0
	if end == cells {
		for _, code := range row[:cells] {
			codes[at&(1<<mostLog-1)] = code
			at = (at + step) & mask
		}
		return
	}
	for _, code := range row[:end] {
		codes[at&(1<<mostLog-1)] = code
		for at = (at + step) & mask; at >= end; {
			at = (at + step) & mask
		}
	}
}

// A cell of a table that is read with: how many bits follow for what the code
// leaves open, how many for the next state, what both are added to.
//
//	bits 0 to 7    how many bits the code leaves open
//	bits 8 to 15   how many bits the state leaves open
//	bits 16 to 47  value of the code
//	bits 48 to 63  next state
type cell = uint64

const (
	cellStateBits = 8
	cellValue     = 16
	cellState     = 48
	// mostStateBits is how many bits three states leave open at most, and leastWord
	// how many bits of a word are to be read at least.
	mostStateBits = literalsLog + offsetLog + matchLog
	leastWord     = 56
)

// cellTable is a table of codes.
type cellTable struct {
	cells [1 << mostLog]cell
	log   int
	known bool
}

// only makes the table of a code that is the only one.
func (t *cellTable) only(c cell) {
	t.log, t.known = 0, true
	t.cells[0] = c
}

// build makes the table. values has the cells of all codes, without states.
func (t *cellTable) build(f *fseNorm, values []cell) {
	var codes [1 << mostLog]uint8
	f.spread(&codes)
	var next [64]uint16
	for n, norm := range f.cells[:f.codes] {
		next[n] = uint16(max(norm, -norm)) //nolint:gosec // not negative
	}
	t.log, t.known = f.log, true
	cells := 1 << f.log
	values = values[:f.codes]
	for n, code := range codes[:cells] {
		state := next[code&63]
		next[code&63]++
		away := f.log + 1 - bits.Len16(state)
		t.cells[n] = values[code] | uint64(away)<<cellStateBits | uint64(int(state)<<away-cells)<<cellState //nolint:gosec // not negative
	}
}
