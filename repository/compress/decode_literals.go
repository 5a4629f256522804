package compress

// readLiterals reads a section of literals, at most so many. It returns the
// literals, behind which there are bytes enough to copy whole pieces, and
// what follows the section.
func (d *Decoder) readLiterals(body []byte, most int) (literals, rest []byte, ok bool) {
	if len(body) < 2 {
		return nil, nil, false
	}
	kind, form := body[0]&3, body[0]>>2&3
	if kind == rawLiterals || kind == repeatedLiteral {
		return d.plainLiterals(body, int(kind), int(form), most)
	}
	header := max(3, 2+int(form))
	width := 4*header - 2
	if len(body) < header {
		return nil, nil, false
	}
	var h uint64
	for k := range header {
		h |= uint64(body[k]) << (8 * k)
	}
	n, written := int(h>>4)&(1<<width-1), int(h>>(4+width)) //nolint:gosec // at most 18 bits each
	body = body[header:]
	if n > most || written > len(body) {
		return nil, nil, false
	}
	coded, rest := body[:written], body[written:]
	if kind == huffmanLiterals {
		tree := d.huffman.readTree(coded)
		if tree == 0 {
			return nil, nil, false
		}
		coded = coded[tree:]
	}
	literals = d.literals[:n]
	return literals, rest, d.huffman.known && d.huffman.read(literals, coded, form != 0)
}

// plainLiterals reads literals that are not coded, or are one again and again.
func (d *Decoder) plainLiterals(body []byte, kind, form, most int) (literals, rest []byte, ok bool) {
	n, header := int(body[0])>>3, 1
	switch form {
	case 1:
		n, header = int(body[0])>>4|int(body[1])<<4, 2
	case 3:
		if len(body) < 3 {
			return nil, nil, false
		}
		n, header = int(body[0])>>4|int(body[1])<<4|int(body[2])<<12, 3
	}
	body = body[header:]
	if n > most || len(body) < 1 {
		return nil, nil, false
	}
	literals = d.literals[:n]
	if kind == repeatedLiteral {
		for k := range literals {
			literals[k] = body[0]
		}
		return literals, body[1:], true
	}
	if n > len(body) {
		return nil, nil, false
	}
	rest = body[n:]
	if len(rest) >= copied {
		return body[:n], rest, true
	}
	copy(literals, body)
	return literals, rest, true
}
