package compress

import "math"

// Modes of a table (section 3.1.1.3.2.1).
const (
	predefined = iota
	single
	described
	repeated
)

// codeTables choose the table for one kind of code: the cheapest of what the
// format defines, what is made for the block, and what the block before had.
type codeTables struct {
	fixed fseTable
	made  [2]fseTable
	last  *fseTable // what the block before described, or nil
	most  int       // the greatest log
}

// leastGain is how many bytes a table of its own must save: less is not worth
// the time that it takes to make, here and where it is read.
const leastGain = 32

// choose returns the table and its mode, for codes that were counted, total in
// all, and appends to dst what readers need to know of it.
func (c *codeTables) choose(dst []byte, counts []uint32, total int, logs *logs) ([]byte, *fseTable, int) {
	for counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	own := &c.made[0]
	if own == c.last {
		own = &c.made[1]
	}
	if only := len(counts) - 1; int(counts[only]) == total {
		own.only(uint8(only)) //nolint:gosec // at most 52
		c.last = nil
		return append(dst, byte(only)), own, single
	}
	cheapest, mode := c.fixed.cost(counts, logs), predefined
	if c.last != nil {
		if cost := c.last.cost(counts, logs); cost <= cheapest {
			cheapest, mode = cost, repeated
		}
	}
	start := len(dst)
	own.share(counts, total, c.most)
	dst = own.appendNorm(dst)
	if cost := own.cost(counts, logs) + (len(dst)-start+leastGain)<<11; cost < cheapest {
		own.build()
		c.last = own
		return dst, own, described
	}
	dst = dst[:start]
	if mode == repeated {
		return dst, c.last, repeated
	}
	c.last = nil
	return dst, &c.fixed, predefined
}

// logs are the logarithms, in 256ths, of the numbers of cells of a table.
type logs [1<<mostLog + 1]uint16

func (l *logs) fill() {
	for n := range l[1:] {
		l[n+1] = uint16(math.Round(256 * math.Log2(float64(n+1))))
	}
}

// tables are those of all kinds of codes.
type tables struct {
	literals, offset, match codeTables
	logs                    logs
}

func (t *tables) prepare() {
	t.logs.fill()
	t.literals.most, t.offset.most, t.match.most = literalsLog, offsetLog, matchLog
	t.literals.fixed.predefine(fixedLengthsLog, fixedLengthsNorm[:])
	t.offset.fixed.predefine(fixedOffsetsLog, fixedOffsetsNorm[:])
	t.match.fixed.predefine(fixedMatchesLog, fixedMatchesNorm[:])
}

func (t *fseTable) predefine(log uint8, norm []int16) {
	t.log, t.codes = log, len(norm)
	copy(t.norm[:], norm)
	t.build()
}

// forget makes the next block the first of its frame, for readers.
func (t *tables) forget() {
	t.literals.last, t.offset.last, t.match.last = nil, nil, nil
}

// appendSequences appends the section of sequences (section 3.1.1.3.2).
func (t *tables) appendSequences(dst []byte, sequences []sequence, c *counts) []byte {
	dst = appendCount(dst, len(sequences))
	if len(sequences) == 0 {
		return dst
	}
	modes := len(dst)
	dst = append(dst, 0)
	dst, literals, m := t.literals.choose(dst, c.literals[:], len(sequences), &t.logs)
	dst[modes] |= byte(m << 6)
	dst, offset, m := t.offset.choose(dst, c.offset[:], len(sequences), &t.logs)
	dst[modes] |= byte(m << 4)
	dst, match, m := t.match.choose(dst, c.match[:], len(sequences), &t.logs)
	dst[modes] |= byte(m << 2)
	return appendStates(dst, sequences, literals, offset, match)
}

func appendCount(dst []byte, n int) []byte {
	switch {
	case n < 128:
		return append(dst, byte(n))
	case n < 0x7f00:
		return append(dst, byte(n>>8+128), byte(n))
	}
	n -= 0x7f00
	return append(dst, 255, byte(n), byte(n>>8))
}
