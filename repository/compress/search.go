package compress

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Matches are found with two tables of where bytes were last seen: one by the
// next eight bytes of a place, which finds long matches, one by fewer, which
// finds the short ones between them. What a table had for a place is the
// candidate, and the place takes its seat. The last offset is a candidate too,
// one byte on, and is preferred since it costs least to write; else, if a
// candidate fits, a long match one byte on is preferred to what is here.
//
// A CPU cannot guess which candidate fits, if any, and loses more by a wrong
// guess than all looks take: so all are looked at before it has to.
//
// Where nothing is found for long, more and more places are passed over.

const (
	// leastMatch is the length in bytes of the shortest match.
	leastMatch = 4
	// endMargin is how far before the end of a block the search stops, so that
	// whole words can be read at a place, and whole pieces of literals.
	endMargin = pieceSize
	// skipAfter is after how many literals, as a power of two, one place more
	// is passed over with each step.
	skipAfter = 7

	// The tables have an entry for every second place of a plaintext at least,
	// up to these powers of two. More find little more, and are slower since
	// they are not in the first of the CPU's caches.
	leastTable = 10
	mostLong   = 16
	mostShort  = 15
	// Those of NewNear: both are in that cache, beside the plaintext.
	mostNearLong  = 12
	mostNearShort = 11
)

// The hash of a place is the high bits of a product.
const (
	longPrime = 0xcf1bbcdcb7a56463
	// shortPrime, shifted, leaves out the high bytes of a word.
	shortPrime = 0xcf1bbcdcbb
)

// sequence is some literals, and the match that follows them.
type sequence struct {
	// offset is how far back the match lies; what is written for that, once
	// the sequence is named.
	offset   uint32
	literals uint32 // how many
	match    uint32 // length of the match in bytes, less minMatch

	// The codes they are written as (section 3.1.1.3.2.1.1).
	offsetCode, literalsCode, matchCode uint8
}

// minMatch is the length that matches are counted from in the format.
const minMatch = 3

// searcher finds the matches in one plaintext after the other. The assembly
// knows its fields.
type searcher struct {
	plain      []byte
	start, end int // of the block that is searched
	// sequences are those of the block, and count is their number. literals is
	// where those begin that follow the last match.
	sequences []sequence
	count     int
	literals  int

	// recent are the last two offsets, which are never the same.
	recent [2]int

	// An entry of a table is a place and base. Those below base are of
	// plaintexts before this one.
	base                  uint32
	long, short           []uint32
	mostLong, mostShort   int    // the greatest tables, as powers of two
	longShift, shortShift uint64 // from a product to a hash
	shortPrime            uint64
}

func (s *searcher) prepare(long, short int) {
	s.sequences = make([]sequence, blockSize/leastMatch+1)
	s.mostLong, s.mostShort = long, short
	s.long = make([]uint32, 1<<long)
	s.short = make([]uint32, 1<<short)
}

// begin prepares the search of a plaintext.
func (s *searcher) begin(plain []byte) {
	if s.base == 0 || s.base > math.MaxInt32-MaxPlain {
		clear(s.long)
		clear(s.short)
		s.base = 1
	}
	s.plain = plain
	s.recent = [2]int{firstOffsets[0], firstOffsets[1]}
	size := bits.Len(uint(len(plain))) - 1                              //nolint:gosec // not negative
	s.longShift = uint64(64 - min(max(size, leastTable), s.mostLong))   //nolint:gosec // not negative
	s.shortShift = uint64(64 - min(max(size, leastTable), s.mostShort)) //nolint:gosec // likewise
	s.shortPrime = shortPrime << (64 - 8*shortLength(len(plain)))
}

// finish lets go of the plaintext.
func (s *searcher) finish() {
	s.base += uint32(len(s.plain)) //nolint:gosec // at most MaxPlain
	s.plain = nil
}

// shortLength returns how many bytes the short table goes by. In a long
// plaintext most short matches lie so far back that writing them down takes
// more than they save.
func shortLength(plain int) int {
	switch {
	case plain <= 96<<10:
		return 4
	case plain <= 512<<10:
		return 5
	}
	return 6
}

// search finds the matches of the block plain[start:end], of at least leastBlock
// bytes, which follows what was searched before.
func (s *searcher) search(start, end int) {
	s.expect(start, end)
	find(s)
}

// expect prepares the search of a block.
func (s *searcher) expect(start, end int) {
	s.start, s.end = start, end
	s.literals, s.count = start, 0
}

// oneByte tells whether the block is one byte again and again.
func (s *searcher) oneByte() bool {
	return s.count == 1 && s.literals == s.end && s.sequences[0].offset == 1 && s.sequences[0].literals <= 1
}

// findPlainly searches the block without assembly.
func findPlainly(s *searcher) {
	var (
		plain  = s.plain[:s.end]
		place  = max(1, s.start) // before the first byte there is nothing
		limit  = s.end - endMargin
		recent = s.recent
	)
	for place <= limit {
		word := wordAt(plain, place)
		inLong, inShort := s.longSeat(word), s.shortSeat(word)
		longer, shorter := s.candidate(*inLong, place), s.candidate(*inShort, place)
		*inLong, *inShort = s.entry(place), s.entry(place)
		again := halfAt(plain, place+1-recent[0]) == uint32(word>>8) //nolint:gosec // the low half
		from := longer
		if wordAt(plain, longer) != word {
			from = shorter
			if !again && halfAt(plain, shorter) != uint32(word) { //nolint:gosec // the low half
				place += 1 + (place-s.literals)>>skipAfter
				continue
			}
		}
		// One byte on, there may be a longer one; but the last offset goes first.
		word = wordAt(plain, place+1)
		inLong = s.longSeat(word)
		longer = s.candidate(*inLong, place+1)
		*inLong = s.entry(place + 1)
		switch {
		case again:
			place++
			from = place - recent[0]
		case wordAt(plain, longer) == word:
			place++
			from = longer
		}
		for {
			next := s.add(place, from)
			if offset := place - from; offset != recent[0] {
				recent = [2]int{offset, recent[0]}
			}
			if next > limit {
				place = next
				break
			}
			s.seat(place+2, next)
			place, from = next, next-recent[1]
			if halfAt(plain, place) != halfAt(plain, from) {
				break
			}
		}
	}
	s.recent = recent
}

func wordAt(b []byte, n int) uint64 { return binary.LittleEndian.Uint64(b[n:]) }
func halfAt(b []byte, n int) uint32 { return binary.LittleEndian.Uint32(b[n:]) }

// candidate returns the place that an entry stands for, or 0, which is before
// any that is searched, if none before place was entered for this plaintext.
func (s *searcher) candidate(entry uint32, place int) int {
	if at := entry - s.base; at < uint32(place) { //nolint:gosec // at most MaxPlain
		return int(at)
	}
	return 0
}

func (s *searcher) entry(place int) uint32 { return s.base + uint32(place) } //nolint:gosec // at most MaxPlain

// longSeat and shortSeat return the entry for a place with these bytes.
func (s *searcher) longSeat(word uint64) *uint32 {
	return &s.long[word*longPrime>>s.longShift]
}

func (s *searcher) shortSeat(word uint64) *uint32 {
	return &s.short[word*s.shortPrime>>s.shortShift]
}

// add notes that what is at place is also at from, as far as it is, and
// returns the place behind it.
func (s *searcher) add(place, from int) int {
	plain := s.plain[:s.end]
	next := place
	for offset := place - from; next < s.end && plain[next] == plain[next-offset]; {
		next++
	}
	for place > s.literals && from > 0 && plain[place-1] == plain[from-1] {
		place--
		from--
	}
	s.sequences[s.count] = sequence{
		offset:   uint32(place - from),            //nolint:gosec // at most MaxPlain
		literals: uint32(place - s.literals),      //nolint:gosec // likewise
		match:    uint32(next - place - minMatch), //nolint:gosec // at least 1
	}
	s.count++
	s.literals = next
	return next
}

// seat enters some of the places of a match, which none was looked up for.
func (s *searcher) seat(second, next int) {
	word := wordAt(s.plain, second)
	*s.longSeat(word), *s.shortSeat(word) = s.entry(second), s.entry(second)
	word = wordAt(s.plain, next-2)
	*s.longSeat(word) = s.entry(next - 2)
	*s.shortSeat(word >> 8) = s.entry(next - 1)
}
