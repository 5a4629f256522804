package compress

import (
	"math/bits"
	"slices"
)

// mostHuffman is the longest Huffman code, in bits (section 4.2.1).
const mostHuffman = 11

// huffman writes literals with codes that are shorter the more often a literal
// comes up (section 4.2).
type huffman struct {
	counts [256]uint32
	parts  [3][256]uint32 // of counts, so that equal literals do not wait for each other
	codes  huffmanCodes
	last   huffmanCodes // those of the block before, if there are any
	weight fseTable

	// What the codes are made of: the literals that come up, those that come
	// seldom first, and the nodes of the tree.
	found   [256]uint32 // count<<8 | literal
	sorted  [256]uint32 // likewise
	nodes   [256]uint32 // counts
	parents [512]uint16 // of literals, then of nodes, in their order
	depths  [256]uint8  // of nodes
	weights [256]uint8
}

// huffmanCodes are the codes of all literals.
type huffmanCodes struct {
	used    int // the greatest literal that has one, and 1; 0: there are none
	lengths [256]uint8
	bits    [256]uint16
}

// count counts the literals, and returns how often the most frequent one comes
// up.
func (h *huffman) count(literals []byte) (most uint32) {
	a, b, c, d := &h.counts, &h.parts[0], &h.parts[1], &h.parts[2]
	*a, *b, *c, *d = [256]uint32{}, [256]uint32{}, [256]uint32{}, [256]uint32{}
	rest := literals
	for ; len(rest) >= 8; rest = rest[8:] {
		word := wordAt(rest, 0)
		a[uint8(word)]++
		b[uint8(word>>8)]++
		c[uint8(word>>16)]++
		d[uint8(word>>24)]++
		a[uint8(word>>32)]++
		b[uint8(word>>40)]++
		c[uint8(word>>48)]++
		d[uint8(word>>56)]++
	}
	for _, v := range rest {
		a[v]++
	}
	for n := range a {
		a[n] += b[n] + c[n] + d[n]
		most = max(most, a[n])
	}
	return most
}

// make finds the best codes for what was counted.
func (h *huffman) make() {
	n := 0
	for literal, count := range h.counts {
		// Written in any case, since no CPU guesses which ones count.
		h.found[n&255] = count<<8 | uint32(literal) //nolint:gosec // at most 255
		if count > 0 {
			n++
		}
	}
	sorted := h.sort(h.found[:n])
	h.join(sorted)
	h.measure(sorted)
	h.assign()
}

// Literals that come up less than ownShelf times are sorted by putting each on
// the shelf of its count. Others share shelves, by the length of their count,
// and are sorted there: they are few.
const (
	ownShelf = 64
	shelves  = ownShelf + 19
)

// shelf returns where a literal belongs. A count is at most that of a block,
// which has 18 bits.
func shelf(found uint32) uint32 {
	count := found >> 8
	if count < ownShelf {
		return count
	}
	return ownShelf - 1 + uint32(bits.Len32(count/ownShelf)) //nolint:gosec // at most 18
}

// sort returns what was found, the rarest first.
func (h *huffman) sort(found []uint32) []uint32 {
	var ends [shelves]uint8 // modulo 256, as the last one may be
	for _, f := range found {
		ends[shelf(f)]++
	}
	sum := uint8(0)
	for n := range ends {
		ends[n], sum = sum, sum+ends[n]
	}
	shared := int(ends[ownShelf])
	for _, f := range found {
		s := shelf(f)
		h.sorted[ends[s]] = f
		ends[s]++
	}
	sorted := h.sorted[:len(found)]
	// An insertion sort: what is on other shelves is in its place.
	for n := shared + 1; n < len(sorted); n++ {
		f, at := sorted[n], n
		for ; at > shared && sorted[at-1] > f; at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = f
	}
	return sorted
}

// join makes a tree of the literals, of which there are at least two: again
// and again the two rarest become one.
func (h *huffman) join(sorted []uint32) {
	leaves, taken := len(sorted), 0
	leaf := 0
	for made := range leaves - 1 {
		sum := uint32(0)
		for range 2 {
			if leaf < leaves && (taken == made || sorted[leaf]>>8 <= h.nodes[taken]) {
				sum += sorted[leaf] >> 8
				h.parents[leaf] = uint16(made)
				leaf++
			} else {
				sum += h.nodes[taken]
				h.parents[leaves+taken] = uint16(made)
				taken++
			}
		}
		h.nodes[made] = sum
	}
}

// measure sets the length of each code: its depth in the tree, but no more than
// mostHuffman.
func (h *huffman) measure(sorted []uint32) {
	leaves := len(sorted)
	h.depths[leaves-2] = 0
	for n := leaves - 3; n >= 0; n-- {
		h.depths[n] = h.depths[h.parents[leaves+n]] + 1
	}
	c := &h.codes
	c.lengths = [256]uint8{}
	room := 1 << mostHuffman // for codes, in those of the greatest length
	for n, s := range sorted {
		length := min(h.depths[h.parents[n]]+1, mostHuffman)
		c.lengths[uint8(s)] = length
		room -= 1 << (mostHuffman - length)
	}
	c.used = 0
	for n, length := range c.lengths {
		if length > 0 {
			c.used = n + 1
		}
	}
	// Too many at the greatest length: the rarest of the others become longer.
	for length := uint8(mostHuffman - 1); room < 0; length-- {
		for _, s := range sorted {
			if room < 0 && c.lengths[uint8(s)] == length {
				c.lengths[uint8(s)]++
				room += 1 << (mostHuffman - length - 1)
			}
		}
	}
	// That may have been too much: the most frequent that can be become shorter.
	for room > 0 {
		for _, s := range slices.Backward(sorted) {
			length := c.lengths[uint8(s)]
			if cost := 1 << (mostHuffman - length); cost <= room {
				c.lengths[uint8(s)]--
				room -= cost
			}
		}
	}
}

// assign gives out the codes: those of greater length first, and of one length
// in the order of the literals (section 4.2.1.3).
func (h *huffman) assign() {
	c := &h.codes
	var many [mostHuffman + 2]uint16
	for _, length := range c.lengths[:c.used] {
		many[length]++
	}
	var next [mostHuffman + 2]uint16
	for length := mostHuffman; length > 0; length-- {
		next[length] = (next[length+1] + many[length+1]) >> 1
	}
	for n, length := range c.lengths[:c.used] {
		c.bits[n] = next[length]
		next[length]++
	}
}

// size returns how many bytes what was counted takes with these codes; too many
// if there are literals without one.
func (c *huffmanCodes) size(counts *[256]uint32) int {
	sum := 0
	for n, count := range counts {
		if count > 0 && c.lengths[n] == 0 {
			return impossible
		}
		sum += int(count) * int(c.lengths[n])
	}
	return sum/8 + 1
}

// appendTree appends what readers make the codes of (section 4.2.1.1): for each
// literal but the last its weight, which is the less the longer its code is. ok
// is false if it cannot be written.
func (h *huffman) appendTree(dst []byte) (_ []byte, ok bool) {
	c := &h.codes
	longest := slices.Max(c.lengths[:c.used])
	weights := h.weights[:c.used-1]
	var counts [mostHuffman + 1]uint32
	for n := range weights {
		weight := uint8(0)
		if c.lengths[n] > 0 {
			weight = longest + 1 - c.lengths[n]
		}
		weights[n] = weight
		counts[weight&15]++
	}
	start := len(dst)
	if most := slices.Max(counts[:]); len(weights) > 2 && int(most) < len(weights) {
		end := longest
		for ; counts[end] == 0; end-- {
		}
		dst = h.appendWeights(append(dst, 0), weights, counts[:end+1])
		if size := len(dst) - start - 1; size < 128 && size < len(weights)/2 {
			dst[start] = byte(size)
			return dst, true
		}
		dst = dst[:start]
	}
	if len(weights) > 128 {
		return dst, false
	}
	dst = append(dst, byte(127+len(weights)))
	for n := 0; n < len(weights); n += 2 {
		two := weights[n] << 4
		if n+1 < len(weights) {
			two |= weights[n+1]
		}
		dst = append(dst, two)
	}
	return dst, true
}

// weightLog is the greatest table of weights, as a power of two.
const weightLog = 6

// appendWeights writes weights with a table of their own, whose states are two:
// one for those in even places, one for the others (section 4.2.1.2).
func (h *huffman) appendWeights(dst, weights []byte, counts []uint32) []byte {
	t := &h.weight
	t.share(counts, len(weights), weightLog)
	t.build()
	dst = t.appendNorm(dst)
	start := len(dst)
	dst = slices.Grow(dst, 2*len(weights)+8)
	room := dst[start:cap(dst)]
	last := len(weights) - 1
	var states [2]uint32
	states[last&1] = t.first(weights[last])
	states[(last-1)&1] = t.first(weights[last-1])
	var w bitWriter
	for n := last - 2; n >= 0; n-- {
		w, states[n&1] = w.step(t, states[n&1], weights[n])
		w = w.flush(room)
	}
	w = w.end(states[1], t).end(states[0], t)
	return dst[:start+w.finish(room)]
}

// appendStreams writes literals, as one stream or four. ok is false if a stream
// is too long for four.
func (c *huffmanCodes) appendStreams(dst, literals []byte, four bool) (_ []byte, ok bool) {
	if !four {
		return c.appendStream(dst, literals), true
	}
	sizes := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0)
	each := (len(literals) + 3) / 4
	for n := range 4 {
		start := len(dst)
		dst = c.appendStream(dst, literals[n*each:min(n*each+each, len(literals))])
		size := len(dst) - start
		if size > 1<<16-1 {
			return dst, false
		}
		if n < 3 {
			dst[sizes+2*n], dst[sizes+2*n+1] = byte(size), byte(size>>8)
		}
	}
	return dst, true
}

// appendStream writes literals, the last one first.
func (c *huffmanCodes) appendStream(dst, literals []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(literals)*mostHuffman/8+16)
	room := dst[start:cap(dst)]
	var w bitWriter
	for ; len(literals)&3 != 0; literals = literals[:len(literals)-1] {
		last := literals[len(literals)-1]
		w = w.put(uint64(c.bits[last]), uint(c.lengths[last]))
	}
	w = w.flush(room)
	for ; len(literals) >= 4; literals = literals[:len(literals)-4] {
		l := (*[4]byte)(literals[len(literals)-4:])
		n3, n2, n1 := uint(c.lengths[l[3]]), uint(c.lengths[l[2]]), uint(c.lengths[l[1]])
		high := uint64(c.bits[l[3]]) | uint64(c.bits[l[2]])<<(n3&63)
		low := uint64(c.bits[l[1]]) | uint64(c.bits[l[0]])<<(n1&63)
		w = w.put(high|low<<((n3+n2)&63), n3+n2+n1+uint(c.lengths[l[0]])).flush(room)
	}
	return dst[:start+w.finish(room)]
}
