package compress

import "math/bits"

// An fseTable turns codes into bits by their frequencies (section 4.1): a state
// machine, in which a step costs a code about as many bits as its share of the
// table says. Everything is written backwards, since readers begin at the end.
type fseTable struct {
	log    uint8
	codes  int       // how many there are
	norm   [64]int16 // how many of the 1<<log cells each has; lessThanOne is one of the last
	next   [1 << mostLog]uint16
	change [64]fseChange
}

// fseChange is what a code does to the state.
type fseChange struct {
	bits uint32 // with the state added, 16 bits higher, how many bits it gives away
	cell int32  // with the rest of the state added, where in next the state is that follows
}

const (
	leastLog    = 5
	mostLog     = 9
	lessThanOne = -1
)

// first returns the state that a code begins with.
func (t *fseTable) first(code uint8) uint32 {
	c := t.change[code&63]
	n := (c.bits + 1<<15) >> 16
	return uint32(t.next[int32((n<<16-c.bits)>>n)+c.cell])
}

// only makes the table of a code that is the only one: it costs nothing.
func (t *fseTable) only(code uint8) {
	t.log, t.codes = 0, int(code)+1
	t.next[0] = 0
	t.change[code&63] = fseChange{}
}

// share divides the cells of a table among codes that were counted, total in
// all, of which at least two came up.
func (t *fseTable) share(counts []uint32, total, most int) {
	t.codes = len(counts)
	t.log = logFor(len(counts), total, most)
	cells := 1 << t.log
	left, largest := cells, 0
	// Shares are in fractions of 1<<32.
	step := uint64(cells) << 32 / uint64(total)
	for n, count := range counts {
		t.norm[n] = 0
		if count == 0 {
			continue
		}
		part := uint64(count) * step
		whole := max(1, int((part+1<<31)>>32))
		t.norm[n] = int16(whole)
		left -= whole
		if counts[n] > counts[largest] {
			largest = n
		}
	}
	if int(t.norm[largest])+left > int(t.norm[largest])/2 {
		t.norm[largest] += int16(left)
		return
	}
	// Many rare codes: each of the others gives what costs it the least.
	for ; left < 0; left++ {
		richest := 0
		for n := range t.codes {
			if t.norm[n] > t.norm[richest] {
				richest = n
			}
		}
		t.norm[richest]--
	}
}

// logFor returns the size of a table, as a power of two: enough for all codes
// to have a cell, and no more than what is written with it pays for.
func logFor(codes, total, most int) uint8 {
	log := min(bits.Len(uint(total-1))-3, most)         //nolint:gosec // at least 2
	log = max(log, bits.Len(uint(codes-1))+1, leastLog) //nolint:gosec // likewise
	return uint8(min(log, most))                        //nolint:gosec // at most 9
}

// build makes the table for what norm says.
func (t *fseTable) build() {
	cells := 1 << t.log
	var symbols [1 << mostLog]uint8
	var starts [64]uint16
	end, sum := cells, 0
	for n, norm := range t.norm[:t.codes] {
		starts[n] = uint16(sum)
		if norm == lessThanOne {
			end--
			symbols[end&(1<<mostLog-1)] = uint8(n)
			norm = 1
		}
		sum += int(norm)
	}
	step, mask, at := cells>>1+cells>>3+3, cells-1, 0
	for n, norm := range t.norm[:t.codes] {
		for range norm {
			symbols[at&(1<<mostLog-1)] = uint8(n)
			for at = (at + step) & mask; at >= end; {
				at = (at + step) & mask
			}
		}
	}
	for n, symbol := range symbols[:cells] {
		t.next[starts[symbol&63]&(1<<mostLog-1)] = uint16(cells + n)
		starts[symbol&63]++
	}
	sum = 0
	for n, norm := range t.norm[:t.codes] {
		switch norm {
		case 0:
		case 1, lessThanOne:
			t.change[n] = fseChange{bits: uint32(t.log)<<16 - uint32(cells), cell: int32(sum) - 1}
			sum++
		default:
			away := uint32(int(t.log) - bits.Len16(uint16(norm-1)) + 1)
			t.change[n] = fseChange{bits: away<<16 - uint32(norm)<<away, cell: int32(sum) - int32(norm)}
			sum += int(norm)
		}
	}
}

// appendNorm appends what readers make the table of (section 4.1.1).
func (t *fseTable) appendNorm(dst []byte) []byte {
	var held uint64
	var n uint
	put := func(value, width int) {
		held |= uint64(value) << n
		n += uint(width)
		for n >= 8 {
			dst = append(dst, byte(held))
			held >>= 8
			n -= 8
		}
	}
	put(int(t.log)-leastLog, 4)
	left, threshold, width := 1<<t.log+1, 1<<t.log, int(t.log)+1
	for code := 0; left > 1; code++ {
		norm := int(t.norm[code])
		spare := 2*threshold - 1 - left // so many values take a bit less
		value := norm + 1
		if norm < 0 {
			norm = 1
		}
		left -= norm
		if value >= threshold {
			value += spare
		}
		if value < spare {
			put(value, width-1)
		} else {
			put(value, width)
		}
		for left < threshold {
			width--
			threshold >>= 1
		}
		if value != 1 {
			continue
		}
		zeros := 0
		for t.norm[code+1] == 0 {
			code++
			zeros++
		}
		for ; zeros >= 3; zeros -= 3 {
			put(3, 2)
		}
		put(zeros, 2)
	}
	if n > 0 {
		dst = append(dst, byte(held))
	}
	return dst
}

// cost returns how many bits, in 256ths, codes with these counts cost.
func (t *fseTable) cost(counts []uint32, logs *logs) int {
	sum := 0
	for n, count := range counts {
		if count == 0 {
			continue
		}
		if n >= t.codes || t.norm[n] == 0 {
			return impossible
		}
		cells := max(1, int(t.norm[n]))
		sum += int(count) * (int(t.log)<<8 - int(logs[cells]))
	}
	return sum
}

// impossible is what codes cost that a table does not have.
const impossible = 1 << 40
