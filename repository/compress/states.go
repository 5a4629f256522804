package compress

import (
	"encoding/binary"
	"slices"
)

// sequenceBytes is more than a sequence takes: 26 bits for the states and 55
// for the rest of its lengths and its offset.
const sequenceBytes = 12

// stateWriter writes sequences. The assembly knows its fields.
type stateWriter struct {
	sequences []sequence // those left, which begin with the last one
	room      []byte
	bits      bitWriter
	// states and tables are those of offsets, of matches and of literals.
	states [3]uint32
	tables [3]*fseTable
}

// appendStates writes sequences, the last one first, since readers begin at
// the end (section 3.1.1.3.2.1.2).
func appendStates(dst []byte, sequences []sequence, literals, offset, match *fseTable) []byte {
	start := len(dst)
	dst = slices.Grow(dst, (len(sequences)+2)*sequenceBytes+8)
	w := newStateWriter(dst[start:cap(dst)], sequences, literals, offset, match)
	if len(w.sequences) > 0 {
		writeStates(&w)
	}
	for _, n := range [...]int{1, 0, 2} {
		w.bits = w.bits.end(w.states[n], w.tables[n])
	}
	return dst[:start+w.bits.finish(w.room)]
}

// newStateWriter begins with the last sequence.
func newStateWriter(room []byte, sequences []sequence, literals, offset, match *fseTable) stateWriter {
	last := len(sequences) - 1
	w := stateWriter{sequences: sequences[:last], room: room, tables: [...]*fseTable{offset, match, literals}}
	s := &sequences[last]
	for n, code := range [...]uint8{s.offsetCode, s.matchCode, s.literalsCode} {
		w.states[n] = w.tables[n].first(code)
	}
	w.bits = w.bits.rest(s).flush(w.room)
	return w
}

// writeStatesPlainly is writeStates without assembly.
func writeStatesPlainly(w *stateWriter) {
	bits, room := w.bits, w.room
	offset, match, literals := w.states[0], w.states[1], w.states[2]
	for k := len(w.sequences) - 1; k >= 0; k-- {
		s := &w.sequences[k]
		bits, offset = bits.step(w.tables[0], offset, s.offsetCode)
		bits, match = bits.step(w.tables[1], match, s.matchCode)
		bits, literals = bits.step(w.tables[2], literals, s.literalsCode)
		bits = bits.flush(room).rest(s).flush(room)
	}
	w.bits, w.states = bits, [3]uint32{offset, match, literals}
}

// bitWriter holds the bits that are no whole byte yet. It is passed by value
// so that it stays in registers.
type bitWriter struct {
	held uint64
	n    uint // bits held
	at   int  // where the next byte goes
}

// put adds n bits to those held, at most 64 in all.
func (w bitWriter) put(bits uint64, n uint) bitWriter {
	w.held |= bits << (w.n & 63)
	w.n += n
	return w
}

// flush writes whole bytes. Up to seven bits stay.
func (w bitWriter) flush(room []byte) bitWriter {
	binary.LittleEndian.PutUint64(room[w.at:], w.held)
	w.at += int(w.n >> 3) //nolint:gosec // at most 8
	w.held >>= w.n &^ 7 & 63
	w.n &= 7
	return w
}

// step writes what a code makes of the state of a table, and returns the next
// state.
func (w bitWriter) step(t *fseTable, state uint32, code uint8) (bitWriter, uint32) {
	c := t.change[code&63]
	n := (state + c.bits) >> 16
	w = w.put(uint64(state&(1<<(n&31)-1)), uint(n))
	return w, uint32(t.next[(int32(state>>(n&31))+c.cell)&(1<<mostLog-1)]) //nolint:gosec // a small number
}

// end writes the state that readers begin with.
func (w bitWriter) end(state uint32, t *fseTable) bitWriter {
	return w.put(uint64(state)&(1<<t.log-1), uint(t.log))
}

// finish writes the bit by which readers find where to begin, and returns the
// number of bytes.
func (w bitWriter) finish(room []byte) int {
	w = w.put(1, 1).flush(room)
	if w.n > 0 {
		room[w.at] = byte(w.held)
		w.at++
	}
	return w.at
}

// rest writes what the codes of a sequence leave open.
func (w bitWriter) rest(s *sequence) bitWriter {
	literals, match, offset := uint(literalsBits[s.literalsCode&63]), uint(matchBits[s.matchCode&63]), uint(s.offsetCode)
	bits := uint64(s.literals)&(1<<(literals&63)-1) |
		uint64(s.match)&(1<<(match&63)-1)<<(literals&63) |
		uint64(s.offset)&(1<<(offset&63)-1)<<((literals+match)&63)
	return w.put(bits, literals+match+offset)
}
