package objective

import "time"

// forecast is how long a restore takes at the size that the point has, never
// less than was measured last, and how that is known where it is larger.
//
// A restore takes a time that does not depend on its size (to open the
// repository, to start a server), and a time for each byte. Two restores of
// different size tell both. One tells neither: then all of it counts as time
// for the bytes, which is long rather than short, and rough.
func (p *Point) forecast() (took time.Duration, how string) {
	t := p.Test
	if t.Bytes == 0 || p.Bytes <= t.Bytes {
		return t.Took, ""
	}
	for k := range p.Earlier {
		if fixed, perByte, ok := t.line(&p.Earlier[k]); ok {
			took = fixed + time.Duration(perByte*float64(p.Bytes))
			return max(t.Took, took), "; one of another size tells that " + rounded(fixed).String() + " of it do not grow"
		}
	}
	return time.Duration(float64(t.Took) * float64(p.Bytes) / float64(t.Bytes)), "; this is rough, until restores of two sizes are measured"
}

// unlike is by how much the sizes of two restores differ at least, as a factor,
// for them to tell more than how restores of one size vary.
const unlike = 1.25

// line is what two restores of different size tell: the time that any restore
// takes, and that for a byte. ok is false where they tell nothing: where the
// larger one was the faster, or so much slower that nothing is left for the
// fixed part.
func (t *Test) line(other *Test) (fixed time.Duration, perByte float64, ok bool) {
	small, large := other, t
	if small.Bytes > large.Bytes {
		small, large = large, small
	}
	if small.Bytes == 0 || float64(large.Bytes) < unlike*float64(small.Bytes) || large.Took < small.Took {
		return 0, 0, false
	}
	perByte = float64(large.Took-small.Took) / float64(large.Bytes-small.Bytes)
	fixed = t.Took - time.Duration(perByte*float64(t.Bytes))
	return fixed, perByte, fixed >= 0
}
