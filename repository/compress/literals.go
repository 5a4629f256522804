package compress

// The kinds of literals sections (section 3.1.1.3.1.1). Those of treeless ones
// are read with the Huffman table of the block before.
const (
	rawLiterals = iota
	repeatedLiteral
	huffmanLiterals
	treelessLiterals
)

const (
	// leastHuffman is how many literals are worth a table: fewer gain little
	// for the time that it takes to make, here and where it is read.
	leastHuffman = 256
	// leastStreams is from where they are written as four streams, which are
	// read side by side.
	leastStreams = 1 << 9
)

// appendLiterals appends the section of literals.
func (h *huffman) appendLiterals(dst, literals []byte) []byte {
	n := len(literals)
	if n < leastHuffman {
		return appendPlainLiterals(dst, rawLiterals, literals)
	}
	most := int(h.count(literals))
	if most == n {
		return appendPlainLiterals(dst, repeatedLiteral, literals)
	}
	if most <= n>>7+4 { // as random data
		return appendPlainLiterals(dst, rawLiterals, literals)
	}
	start := len(dst)
	dst, codes := h.appendCoded(dst, literals)
	if codes == nil || len(dst)-start > n-n>>6 {
		return appendPlainLiterals(dst[:start], rawLiterals, literals)
	}
	h.last = *codes
	return dst
}

// appendCoded appends literals with the cheaper codes of those made for them
// and those of the block before, and returns the codes; nil if it
// cannot be done.
func (h *huffman) appendCoded(dst, literals []byte) ([]byte, *huffmanCodes) {
	n, start := len(literals), len(dst)
	header := literalsHeaderSize(n)
	h.make()
	dst = append(dst, 0, 0, 0, 0, 0)[:start+header]
	dst, ok := h.appendTree(dst)
	codes, kind := &h.codes, huffmanLiterals
	size := impossible
	if ok {
		size = len(dst) - start - header + codes.size(&h.counts)
	}
	if h.last.used > 0 && h.last.size(&h.counts) <= size {
		codes, kind, ok = &h.last, treelessLiterals, true
		dst = dst[:start+header]
	}
	if ok {
		dst, ok = codes.appendStreams(dst, literals, n >= leastStreams)
	}
	if !ok {
		return dst[:start], nil
	}
	putLiteralsHeader(dst[start:start+header], kind, n, len(dst)-start-header)
	return dst, codes
}

// appendPlainLiterals appends literals that are not coded, or one of them if
// all are the same.
func appendPlainLiterals(dst []byte, kind int, literals []byte) []byte {
	n := len(literals)
	switch {
	case n < 1<<5:
		dst = append(dst, byte(kind|n<<3))
	case n < 1<<12:
		dst = append(dst, byte(kind|1<<2|n<<4), byte(n>>4))
	default:
		dst = append(dst, byte(kind|3<<2|n<<4), byte(n>>4), byte(n>>12))
	}
	if kind == repeatedLiteral {
		return append(dst, literals[0])
	}
	return append(dst, literals...)
}

// literalsHeaderSize returns the length in bytes of the header of n literals
// that are coded.
func literalsHeaderSize(n int) int {
	switch {
	case n < 1<<10:
		return 3
	case n < 1<<14:
		return 4
	}
	return 5
}

// putLiteralsHeader tells how many literals there are, and how many bytes they
// take.
func putLiteralsHeader(dst []byte, kind, n, written int) {
	width := 4*len(dst) - 2 // two sizes and four bits for the kind and their form
	form := 0               // one stream
	if n >= leastStreams {
		form = len(dst) - 2 // four
	}
	h := uint64(kind) | uint64(form)<<2 | uint64(n)<<4 | uint64(written)<<(4+width) //nolint:gosec // none is negative
	for k := range dst {
		dst[k] = byte(h)
		h >>= 8
	}
}
