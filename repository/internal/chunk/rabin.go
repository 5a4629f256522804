package chunk

// What restic cuts with: no chunk under 512 KiB or over 8 MiB, and a chance
// of 1 in 2^20 for an end at every byte between.
const (
	rabinMinSize  = 512 * kiB
	rabinMaxSize  = 8 * miB
	rabinCutMask  = 1<<20 - 1
	rabinTopShift = polynomialDegree - 8
)

// Rabin is the method restic uses: a chunk ends where the Rabin fingerprint
// of the last 64 bytes, modulo the repository's polynomial, ends in 20 zero
// bits. It implements Method.
type Rabin struct {
	tables rabinTables
}

// rabinTables turn the two polynomial operations of a step into look-ups.
type rabinTables struct {
	// reduce, for the top 8 bits of a fingerprint: what to add after shifting
	// it by 8, so that it is reduced by the polynomial again.
	reduce [256]uint64
	// leave, for a byte: what to add, after shifting, for that byte to leave
	// the window.
	leave [256]uint64
}

var _ Method = (*Rabin)(nil)

// NewRabin returns the method for a repository's polynomial. It returns
// ErrPolynomial if p cannot be used.
func NewRabin(p Polynomial) (*Rabin, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	r := &Rabin{}
	beyondWindow := Polynomial(1)
	for range windowSize {
		beyondWindow = mulMod(beyondWindow, 1<<8, p)
	}
	for b := range Polynomial(256) {
		// b·x^53 cancels the bits that were shifted out on top.
		r.tables.reduce[b] = uint64((b << polynomialDegree) ^ mulMod(b, 1<<polynomialDegree^p, p))
		r.tables.leave[b] = uint64(mulMod(b, beyondWindow, p))
	}
	return r, nil
}

// NewCutter returns a cutter at the beginning of a chunk.
func (r *Rabin) NewCutter() Cutter { return &rabinCutter{tables: &r.tables} }

// rabinCutter scans one chunk. The fingerprint at a cut point depends only
// on the 64 bytes before it, so the first bytes of a chunk are skipped, and
// later ones may be scanned in any order: see scanLanes.
type rabinCutter struct {
	tables *rabinTables
	length int    // bytes of the current chunk scanned so far
	digest uint64 // fingerprint of the last 64 of them, once past the warm-up
	tail   tail   // these bytes
}

func (c *rabinCutter) MinSize() int { return rabinMinSize }
func (c *rabinCutter) MaxSize() int { return rabinMaxSize }
func (c *rabinCutter) Reset()       { c.length = 0 }

// rabinWarmUp is the length of a chunk at which the window of the first
// possible cut point begins.
const rabinWarmUp = rabinMinSize - windowSize

// Next implements Cutter.
func (c *rabinCutter) Next(data []byte) (n int, cut bool) {
	if c.length < rabinWarmUp {
		n = min(len(data), rabinWarmUp-c.length)
		c.length += n
		if c.length < rabinWarmUp {
			return n, false
		}
		// An empty window: the fingerprint of zeros is zero.
		c.digest, c.tail = 0, tail{}
	}
	if c.length < rabinMinSize {
		warm := min(len(data)-n, rabinMinSize-c.length)
		c.absorb(data[n : n+warm])
		n += warm
		if c.length < rabinMinSize {
			return n, false
		}
		if c.digest&rabinCutMask == 0 {
			c.Reset()
			return n, true
		}
	}
	end := min(len(data), n+rabinMaxSize-c.length)
	scanned, cut := c.scan(data[n:end])
	n += scanned
	if cut || c.length == rabinMaxSize {
		c.Reset()
		return n, true
	}
	return n, false
}

// absorb adds the first bytes after an empty window, at most windowSize of
// them, without looking for a cut point.
func (c *rabinCutter) absorb(data []byte) {
	for _, b := range data {
		c.digest = c.tables.step(c.digest, 0, b)
	}
	c.tail.push(data)
	c.length += len(data)
}

// step moves the window by one byte.
func (t *rabinTables) step(digest uint64, out, in byte) uint64 {
	return (digest<<8 | uint64(in)) ^ t.reduce[uint8(digest>>rabinTopShift)] ^ t.leave[out]
}

// scan looks for a cut point in data and returns the number of bytes up to
// it, or all of them.
func (c *rabinCutter) scan(data []byte) (n int, cut bool) {
	for n < len(data) && n < windowSize {
		// The bytes that leave the window are those of the previous piece.
		c.digest = c.tables.step(c.digest, c.tail[n], data[n])
		n++
		if c.digest&rabinCutMask == 0 {
			c.length += n
			return n, true
		}
	}
	for len(data)-n >= laneCount*laneSize {
		hit, digest := c.tables.scanLanes((*lanes)(data[n-windowSize:]), c.digest)
		if hit >= 0 {
			n += hit + 1
			c.length += n
			return n, true
		}
		c.digest = digest
		n += laneCount * laneSize
	}
	for ; n < len(data); n++ {
		c.digest = c.tables.step(c.digest, data[n-windowSize], data[n])
		if c.digest&rabinCutMask == 0 {
			n++
			c.length += n
			return n, true
		}
	}
	c.tail.push(data)
	c.length += n
	return n, false
}
