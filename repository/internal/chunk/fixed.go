package chunk

// Fixed cuts after every so many bytes. It suits files that change in place,
// page by page, as those of databases do: a changed page costs one chunk, and
// none of the others move.
type Fixed int

var _ Method = Fixed(0)

// NewCutter returns a cutter at the beginning of a chunk.
func (f Fixed) NewCutter() Cutter { return &fixedCutter{size: int(f)} }

type fixedCutter struct {
	size, have int
}

func (c *fixedCutter) Next(data []byte) (n int, cut bool) {
	n = min(len(data), c.size-c.have)
	c.have += n
	if c.have < c.size {
		return n, false
	}
	c.have = 0
	return n, true
}

func (c *fixedCutter) Reset()       { c.have = 0 }
func (c *fixedCutter) MinSize() int { return c.size }
func (c *fixedCutter) MaxSize() int { return c.size }
