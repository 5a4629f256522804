package objective

import "time"

// forecast is how long a restore takes at the size that the point has, never
// less than was measured last, and how that is known where it is larger.
func (p *Point) forecast() (took time.Duration, how string) {
	if p.Test.Bytes == 0 || p.Bytes <= p.Test.Bytes {
		return p.Test.Took, ""
	}
	took, fixed, ok := p.Test.Forecast(p.Bytes, p.Earlier)
	if !ok {
		return took, "; this is rough, until restores of two sizes are measured"
	}
	return max(p.Test.Took, took), "; one of another size tells that " + rounded(fixed).String() + " of it do not grow"
}

// Forecast is how long a restore of so many bytes takes, by this one and by
// earlier ones.
//
// A restore takes a time that does not depend on its size (to open the
// repository, to start a server), and a time for each byte. Two restores of
// different size tell both. One tells neither, and ok is false: then all of it
// counts as time for the bytes, which is rough, and for more bytes long rather
// than short.
func (t *Test) Forecast(bytes uint64, earlier []Test) (took, fixed time.Duration, ok bool) {
	if t.Bytes == 0 {
		return t.Took, 0, false
	}
	for k := range earlier {
		if fixed, perByte, ok := t.line(&earlier[k]); ok {
			return fixed + time.Duration(perByte*float64(bytes)), fixed, true
		}
	}
	return time.Duration(float64(t.Took) * float64(bytes) / float64(t.Bytes)), 0, false
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
