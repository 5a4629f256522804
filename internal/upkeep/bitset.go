package upkeep

import (
	"math/bits"
	"sync/atomic"
)

// bitset is a set of positions in an index, one bit each. It may be used from
// many goroutines at once.
type bitset []atomic.Uint64

func newBitset(positions int) bitset { return make(bitset, (positions+63)/64) }

// clone returns a set of its own with the same positions.
func (b bitset) clone() bitset {
	c := make(bitset, len(b))
	for i := range b {
		c[i].Store(b[i].Load())
	}
	return c
}

// add puts a position into the set and tells whether it is new there.
func (b bitset) add(i int) bool {
	bit := uint64(1) << (i % 64)
	return b[i/64].Or(bit)&bit == 0
}

// remove takes a position out of the set and tells whether it was there.
func (b bitset) remove(i int) bool {
	bit := uint64(1) << (i % 64)
	return b[i/64].And(^bit)&bit != 0
}

func (b bitset) has(i int) bool { return b[i/64].Load()>>(i%64)&1 != 0 }

// len counts the positions in the set.
func (b bitset) len() int {
	n := 0
	for i := range b {
		n += bits.OnesCount64(b[i].Load())
	}
	return n
}
