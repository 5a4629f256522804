package compress

import (
	"encoding/binary"
	"math/bits"
)

// sequenceReader makes the plaintext of one block after the other. The assembly
// knows its fields.
type sequenceReader struct {
	fast   bool   // by the assembly
	plain  []byte // with Slack behind it
	at     int    // where the next byte goes
	end    int    // of what the block may fill
	window int    // how far back a match may lie
	recent [3]int // the last three offsets

	lengths, offsets, matches cellTable // of literals, of offsets, of matches
	norm                      fseNorm

	// What is left of a block, with bytes enough behind the literals to copy
	// whole pieces.
	literals []byte
	used     int // of the literals, by the assembly
	count    int // of sequences
	// Bits are read from the end. stream is the frame as far as they go, and
	// they begin at the byte first; all before the bit at bits are to be read.
	stream []byte
	first  int
	bits   int
	states [3]cell // of literals, of offsets, of matches
}

// begin prepares for a frame.
func (s *sequenceReader) begin(plain []byte, window int) {
	s.plain, s.at, s.window = plain, 0, window
	s.recent = firstOffsets
	s.lengths.known, s.offsets.known, s.matches.known = false, false, false
}

// finish lets go of the memory of others.
func (s *sequenceReader) finish() { s.plain, s.literals, s.stream = nil, nil, nil }

// append appends bytes to the plaintext, if there is room.
func (s *sequenceReader) append(b []byte) bool {
	if len(b) > s.end-s.at {
		return false
	}
	copy(s.plain[s.at:], b)
	s.at += len(b)
	return true
}

// repeat appends a byte n times, if there is room.
func (s *sequenceReader) repeat(b byte, n int) bool {
	if n > s.end-s.at {
		return false
	}
	room := s.plain[s.at : s.at+n]
	for k := range room {
		room[k] = b
	}
	s.at += n
	return true
}

// The greatest codes (section 3.1.1.3.2.1.1). That of offsets is what others
// read too.
const literalsCodeEnd, offsetCodeEnd, matchCodeEnd = 36, 31, 53

// read reads the section of sequences (section 3.1.1.3.2), which ends frame, and
// does what they say with the literals.
func (s *sequenceReader) read(frame, section, literals []byte) bool {
	n, size := readCount(section)
	if size == 0 {
		return false
	}
	section = section[size:]
	if n == 0 {
		return len(section) == 0 && s.append(literals)
	}
	if len(section) == 0 || section[0]&3 != 0 {
		return false
	}
	modes := section[0]
	section = section[1:]
	ok := s.readTable(&s.lengths, modes>>6, &section, literalsLog, lengthCells[:], &fixedLengths) &&
		s.readTable(&s.offsets, modes>>4&3, &section, offsetLog, offsetCells[:], &fixedOffsets) &&
		s.readTable(&s.matches, modes>>2&3, &section, matchLog, matchCells[:], &fixedMatches)
	if !ok || len(section) == 0 {
		return false
	}
	s.literals, s.count = literals, n
	s.stream, s.first = frame, len(frame)-len(section)
	return s.start() && s.readSequences() && s.bits == 8*s.first && s.append(s.literals)
}

// readCount returns how many sequences there are, and how long that is; 0 if it
// is damaged.
func readCount(b []byte) (n, size int) {
	switch {
	case len(b) > 0 && b[0] < 128:
		return int(b[0]), 1
	case len(b) > 1 && b[0] < 255:
		return int(b[0]-128)<<8 | int(b[1]), 2
	case len(b) > 2:
		return 0x7f00 + int(b[1]) + int(b[2])<<8, 3
	}
	return 0, 0
}

// readTable reads the table of a kind of codes, of at most most as a power of
// two. values are the cells of its codes, and fixed is the table that the format
// defines.
func (s *sequenceReader) readTable(t *cellTable, mode byte, section *[]byte, most int, values []cell, fixed *fixedTable) bool {
	b := *section
	switch mode {
	case predefined:
		fixed.copyTo(t)
	case single:
		if len(b) == 0 || int(b[0]) >= len(values) {
			return false
		}
		t.only(values[b[0]])
		*section = b[1:]
	case described:
		size := s.norm.read(b, most, len(values))
		if size == 0 {
			return false
		}
		t.build(&s.norm, values)
		*section = b[size:]
	}
	return t.known
}

// start reads the states that the sequences begin with.
func (s *sequenceReader) start() bool {
	last := s.stream[len(s.stream)-1]
	if last == 0 || s.first < 8 {
		return false
	}
	s.bits = 8*len(s.stream) - 8 + bits.Len8(last) - 1
	word, p := s.word()
	for n, t := range [...]*cellTable{&s.lengths, &s.offsets, &s.matches} {
		p -= t.log
		s.bits -= t.log
		s.states[n] = t.cells[word>>(p&63)&(1<<t.log-1)]
	}
	return s.bits >= 8*s.first
}

// word returns bits that are to be read, at least 56, and where they end in what
// is returned. Those before the first are of something else.
func (s *sequenceReader) word() (word uint64, end int) {
	from := s.bits>>3 - 7
	return binary.LittleEndian.Uint64(s.stream[from:]), s.bits - 8*from
}

// take reads so many bits.
func (s *sequenceReader) take(n cell) uint64 {
	s.bits -= int(n & 63)
	if s.bits < 8*s.first {
		return 0
	}
	from := s.bits >> 3
	if from+8 > len(s.stream) {
		from = len(s.stream) - 8
	}
	return binary.LittleEndian.Uint64(s.stream[from:]) >> ((s.bits - 8*from) & 63) & (1<<(n&63) - 1)
}

// takeValue reads what a code leaves open, and returns what it stands for.
func (s *sequenceReader) takeValue(c cell) int {
	return int(uint32(c>>cellValue)) + int(s.take(c)) //nolint:gosec // at most 32 bits
}

// takeState reads the next cell of a table.
func (s *sequenceReader) takeState(t *cellTable, c cell) cell {
	return t.cells[(c>>cellState+s.take(c>>cellStateBits))&(1<<mostLog-1)]
}

// readSequences does what the sequences say, and tells whether they can be right.
func (s *sequenceReader) readSequences() bool {
	if s.fast {
		return readSequences(s)
	}
	for ; s.count > 0; s.count-- {
		value := s.takeValue(s.states[1])
		match := s.takeValue(s.states[2])
		length := s.takeValue(s.states[0])
		if s.count > 1 {
			s.states[0] = s.takeState(&s.lengths, s.states[0])
			s.states[2] = s.takeState(&s.matches, s.states[2])
			s.states[1] = s.takeState(&s.offsets, s.states[1])
		}
		if s.bits < 8*s.first || length > len(s.literals) || length+match > s.end-s.at {
			return false
		}
		s.append(s.literals[:length])
		s.literals = s.literals[length:]
		offset := s.offset(value, length)
		if offset <= 0 || offset > s.at || offset > s.window {
			return false
		}
		for range match {
			s.plain[s.at] = s.plain[s.at-offset]
			s.at++
		}
	}
	return true
}

// offset returns the offset that a value stands for (section 3.1.1.5).
func (s *sequenceReader) offset(value, length int) int {
	r := &s.recent
	if value > 3 {
		*r = [3]int{value - 3, r[0], r[1]}
		return r[0]
	}
	if length == 0 {
		value++
	}
	switch value {
	case 2:
		*r = [3]int{r[1], r[0], r[2]}
	case 3:
		*r = [3]int{r[2], r[0], r[1]}
	case 4:
		*r = [3]int{r[0] - 1, r[0], r[1]}
	}
	return r[0]
}
