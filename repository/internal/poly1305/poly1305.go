// Package poly1305 authenticates messages (RFC 8439, section 2.5) faster than
// golang.org/x/crypto does where the CPU has AVX2, and with the same results.
//
// The tag is a polynomial of the message's blocks, computed by one
// multiplication after the other, each of which waits for the one before. Here
// four sums of every fourth block each go on at once, and become one at the end.
package poly1305

import (
	"encoding/binary"
	"math/bits"

	//lint:ignore SA1019 deprecated for new designs; the repository format prescribes it
	"golang.org/x/crypto/poly1305"
)

const (
	blockBytes = 16
	groupBytes = 4 * blockBytes
	// leastBytes is the length from which on the four sums pay for the 0.4 µs that
	// it takes to begin and end them.
	leastBytes = 4 << 10
)

// Sum sets tag to that of a message under a key for this message alone.
func Sum(tag *[16]byte, message []byte, key *[32]byte) {
	if len(message) < leastBytes || !inGroups() {
		poly1305.Sum(tag, message, key)
		return
	}
	sum(tag, message, key)
}

// sum is Sum for messages of a group at least.
func sum(tag *[16]byte, message []byte, key *[32]byte) {
	r := number{
		binary.LittleEndian.Uint64(key[0:]) & 0x0ffffffc0fffffff,
		binary.LittleEndian.Uint64(key[8:]) & 0x0ffffffc0ffffffc,
	}
	var limbs [5]uint64
	m := powers(r)
	groups(&limbs, &m, &message[0], len(message)/groupBytes)
	h := fromLimbs(&limbs)
	for rest := message[len(message)&^(groupBytes-1):]; len(rest) > 0; {
		n := min(blockBytes, len(rest))
		h = times(plus(h, block(rest[:n])), r)
		rest = rest[n:]
	}
	h = h.whole()
	low, carry := bits.Add64(h[0], binary.LittleEndian.Uint64(key[16:]), 0)
	high, _ := bits.Add64(h[1], binary.LittleEndian.Uint64(key[24:]), carry)
	binary.LittleEndian.PutUint64(tag[0:], low)
	binary.LittleEndian.PutUint64(tag[8:], high)
}

// multipliers is what groups multiplies by: a number for all four sums, and at
// the end one for each.
type multipliers struct{ all, last multiplier }

// multiplier is four numbers: the limbs of each, and those but the first times
// five.
type multiplier [9][4]uint64

// powers returns the multipliers: r^4, and at the end what the four sums still
// lack, which are of the blocks 0, 2, 1 and 3.
func powers(r number) (m multipliers) {
	r2 := times(r, r)
	r3, r4 := times(r2, r), times(r2, r2)
	for lane, last := range [4]number{r4, r2, r3, r} {
		m.all.set(lane, r4)
		m.last.set(lane, last)
	}
	return m
}

func (m *multiplier) set(lane int, n number) {
	for k, limb := range n.limbs() {
		m[k][lane] = limb
		if k > 0 {
			m[k+4][lane] = 5 * limb
		}
	}
}

// number is one modulo 2^130 - 5, in words of 64 bits. It is below 2^131.
type number [3]uint64

// block is the number that a block of at most 16 bytes stands for.
func block(b []byte) number {
	var whole [24]byte
	whole[copy(whole[:], b)] = 1
	return number{
		binary.LittleEndian.Uint64(whole[0:]), binary.LittleEndian.Uint64(whole[8:]), uint64(whole[16]),
	}
}

// plus returns x + y, for an x that times has returned, and y up to 2^129.
func plus(x, y number) (z number) {
	var carry uint64
	z[0], carry = bits.Add64(x[0], y[0], 0)
	z[1], carry = bits.Add64(x[1], y[1], carry)
	z[2] = x[2] + y[2] + carry
	return z
}

// times returns x * y.
func times(x, y number) number {
	var w [6]uint64
	for i, a := range x {
		var carry uint64
		for j, b := range y {
			high, low := bits.Mul64(a, b)
			var c uint64
			low, c = bits.Add64(low, carry, 0)
			high += c
			w[i+j], c = bits.Add64(w[i+j], low, 0)
			carry = high + c
		}
		w[i+3] = carry
	}
	return reduced(w)
}

// reduced brings w, below 2^262, to a little above 2^130 at most: 2^130 is 5.
// It is done twice, since five times what lies above may reach above again.
func reduced(w [6]uint64) number {
	above := [3]uint64{w[2]>>2 | w[3]<<62, w[3]>>2 | w[4]<<62, w[4]>>2 | w[5]<<62}
	n := [3]uint64{w[0], w[1], w[2] & 3}
	for range 5 {
		var carry uint64
		for k := range n {
			n[k], carry = bits.Add64(n[k], above[k], carry)
		}
	}
	var carry uint64
	n[0], carry = bits.Add64(n[0], n[2]>>2*5, 0)
	n[1], carry = bits.Add64(n[1], 0, carry)
	return number{n[0], n[1], n[2]&3 + carry}
}

// whole returns the number below 2^130 - 5.
func (n number) whole() number {
	// Twice: once may leave a number from 2^130 - 5 to 2^130.
	for range 2 {
		less := plus(n, number{5})
		// Not by a jump: what is authenticated may be secret.
		mask := -(less[2] >> 2)
		n = number{n[0] ^ mask&(n[0]^less[0]), n[1] ^ mask&(n[1]^less[1]), n[2] ^ mask&(n[2]^less[2]&3)}
	}
	return n
}

const limbMask = 1<<26 - 1

// limbs divides the number. The last limb takes what is above 2^130.
func (n number) limbs() [5]uint64 {
	return [5]uint64{
		n[0] & limbMask,
		n[0] >> 26 & limbMask,
		(n[0]>>52 | n[1]<<12) & limbMask,
		n[1] >> 14 & limbMask,
		n[1]>>40 | n[2]<<24,
	}
}

// fromLimbs puts a number together of limbs below 2^32.
func fromLimbs(l *[5]uint64) number {
	var w [6]uint64
	for k, limb := range l {
		at, shift := 26*k/64, 26*k%64
		var carry uint64
		w[at], carry = bits.Add64(w[at], limb<<shift, 0)
		w[at+1] += limb>>(64-shift) + carry // never over: the sum so far is below 2^(64·(at+2))
	}
	return reduced(w)
}
