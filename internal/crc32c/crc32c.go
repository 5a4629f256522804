// Package crc32c computes CRC-32C checksums (Castagnoli) of contents that are
// not read from beginning to end: of a file of which some parts are replaced,
// and the checksum of the rest is known only as part of the whole.
//
// It rests on the checksum being linear. Without its customary start value and
// end, which Of and Whole add, the sum of a content is the XOR of the sums of
// its parts, each moved to its place with Shift, and taking a part out is the
// same as putting it in.
package crc32c

import "hash/crc32"

// table is made once by hash/crc32 however often it is asked for.
func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Of returns the checksum of a content.
func Of(content []byte) uint32 { return Update(0, content) }

// Update returns the checksum of what has the checksum sum, and content after it.
func Update(sum uint32, content []byte) uint32 { return crc32.Update(sum, table(), content) }

// Part returns the sum of a part, as if it were the end of a content that is
// zeros otherwise.
func Part(content []byte) uint32 { return ^crc32.Update(^uint32(0), table(), content) }

// Whole turns the sum of all parts of a content of so many bytes into its
// checksum. It is its own inverse: given the checksum, it returns the sum of
// all parts.
func Whole(parts uint32, bytes int64) uint32 { return ^(parts ^ Shift(^uint32(0), bytes)) }

// Shift moves a sum so many bytes towards the beginning of the content, or
// towards its end if the number is negative.
func Shift(sum uint32, bytes int64) uint32 {
	exponent := bytes % order * 8 % order
	if exponent < 0 {
		exponent += order
	}
	for square := uint32(1 << 30); exponent > 0; exponent >>= 1 { // x to the power of 1, 2, 4 ...
		if exponent&1 == 1 {
			sum = multiply(sum, square)
		}
		square = multiply(square, square)
	}
	return sum
}

const (
	// polynomial is Castagnoli's, the highest power of x in the lowest bit.
	polynomial = crc32.Castagnoli
	// order is the least power of x that is 1 modulo the polynomial, which is
	// x+1 times a primitive one of degree 31.
	order = 1<<31 - 1
)

// multiply returns the product of two polynomials modulo the polynomial.
func multiply(a, b uint32) uint32 {
	product := uint32(0)
	for bit := uint32(1 << 31); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		b = b>>1 ^ polynomial&-(b&1)
	}
	return product
}
