package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// random is a deterministic source of numbers: the AES-256-CTR key stream of
// its seed. A generator of its own, rather than math/rand, keeps the data sets
// the same through all versions of Go; it is also faster than the disks.
type random struct {
	stream cipher.Stream
	buf    [8 << 10]byte
	next   int // of buf
}

func newRandom(seed uint64) *random {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only a wrong key length
	}
	var iv [aes.BlockSize]byte
	r := &random{stream: cipher.NewCTR(block, iv[:])}
	r.next = len(r.buf)
	return r
}

// uint64 returns the next 64 bits.
func (r *random) uint64() uint64 {
	if r.next == len(r.buf) {
		clear(r.buf[:])
		r.stream.XORKeyStream(r.buf[:], r.buf[:])
		r.next = 0
	}
	x := binary.LittleEndian.Uint64(r.buf[r.next:])
	r.next += 8
	return x
}

// below returns a number in [0, n). Its bias is of no matter here.
func (r *random) below(n int) int { return int(r.uint64() % uint64(n)) }

// fill fills p with random bytes.
func (r *random) fill(p []byte) {
	clear(p)
	r.stream.XORKeyStream(p, p)
}

// sample returns k different numbers in [0, n), in random order.
func (r *random) sample(n, k int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for i := range k {
		j := i + r.below(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:k]
}
