package compress

import "math/bits"

// pieceSize is how many literals are copied at once. Most runs are shorter.
const pieceSize = 16

// firstOffsets are the recent offsets that each frame begins with (section
// 3.1.1.5).
var firstOffsets = [3]int{1, 4, 8}

// The tables of the codes are at most as large as these powers of two (section
// 3.1.1.3.2.1).
const literalsLog, offsetLog, matchLog = 9, 8, 9

// counts say how often each code comes up in a block.
type counts struct {
	literals, offset, match [64]uint32
}

// gather copies the literals of a block together, and names the codes of its
// sequences and counts them. recent are the last three offsets, as readers
// know them.
func gather(dst, plain []byte, start, end int, sequences []sequence, recent *[3]uint32, c *counts) []byte {
	*c = counts{}
	at, n := start, 0
	first, second, third := recent[0], recent[1], recent[2]
	for k := range sequences {
		s := &sequences[k]
		*(*[pieceSize]byte)(dst[n:]) = *(*[pieceSize]byte)(plain[at:])
		literals := int(s.literals)
		if literals > pieceSize {
			copy(dst[n+pieceSize:], plain[at+pieceSize:at+literals])
		}
		n += literals
		at += literals + int(s.match) + minMatch

		// An offset that was used just before is written as its number, from
		// 1; with no literals between, the last one cannot be meant, and what
		// is meant begins with the one before it (section 3.1.1.5). A CPU
		// cannot guess which it will be: this can do without most jumps.
		offset := s.offset
		one, two, three, last := first, second, third, first
		if literals == 0 {
			one, two, three, last = second, third, first-1, 0 // which is no offset
		}
		value := offset + 3
		if offset == three {
			value = 3
		}
		if offset == two {
			value = 2
		}
		if offset == one {
			value = 1
		}
		if offset != last && offset != second {
			third = second
		}
		if offset != last {
			second = first
		}
		first = offset

		s.offset = value
		s.offsetCode = uint8(bits.Len32(value) - 1) //nolint:gosec // at most 31
		s.literalsCode = literalsCode(s.literals)
		s.matchCode = matchCode(s.match)
		c.offset[s.offsetCode&63]++
		c.literals[s.literalsCode&63]++
		c.match[s.matchCode&63]++
	}
	*recent = [3]uint32{first, second, third}
	n += copy(dst[n:], plain[at:end])
	return dst[:n]
}

// The codes of lengths: of small ones each has its own, of larger ones each
// stands for many, told apart by more bits (section 3.1.1.3.2.1.1).
var (
	literalsCodes = [64]uint8{
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 20, 20, 21, 21, 21, 21,
		22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23, 23, 23, 23,
		24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
	}
	matchCodes = [128]uint8{
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		32, 32, 33, 33, 34, 34, 35, 35, 36, 36, 36, 36, 37, 37, 37, 37,
		38, 38, 38, 38, 38, 38, 38, 38, 39, 39, 39, 39, 39, 39, 39, 39,
		40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
		41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41,
		42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42,
		42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42,
	}
	literalsBits = [64]uint8{
		16: 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	}
	matchBits = [64]uint8{
		32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	}
)

func literalsCode(n uint32) uint8 {
	if n < 64 {
		return literalsCodes[n]
	}
	return uint8(bits.Len32(n) + 18) //nolint:gosec // at most 35
}

func matchCode(n uint32) uint8 {
	if n < 128 {
		return matchCodes[n]
	}
	return uint8(bits.Len32(n) + 35) //nolint:gosec // at most 52
}
