package codec

import "holdfast/repository/compress"

// The default level is an encoder of our own, but for large blobs that the
// library's quick one makes as small: rows of tables, which it needs a third
// less time for. A sample tells.
const (
	// sampledBlob is the size from which a sample decides, which costs about
	// a tenth of what it can save.
	sampledBlob = 256 << 10
	// sampleSize is the length of the sample, taken from the middle.
	sampleSize = 16 << 10
	// quickTolerance is by how much more, in percent, the quick encoder may
	// make of the sample.
	quickTolerance = 2
)

// prefersQuick chooses the encoder for a large blob. It uses the free capacity
// of dst as scratch space.
func (c *Codec) prefersQuick(own *compress.Encoder, dst, plain []byte) bool {
	middle := len(plain) / 2
	sample := plain[middle : middle+sampleSize]
	quick := len(c.quick.EncodeAll(sample, dst)) - len(dst)
	thorough := len(own.Append(dst, sample)) - len(dst)
	return quick*100 <= thorough*(100+quickTolerance)
}
