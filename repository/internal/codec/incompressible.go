package codec

import (
	"encoding/binary"
	"math/bits"
)

// What Incompressible samples. Encrypted or compressed data has to pass all
// of it; other data is found out by one of the first looks.
const (
	// Below this the encoder itself gives random data up (5 GB/s) about as
	// fast as sampling takes.
	leastSampled = 256 << 10

	// One look of lookSize bytes is taken somewhere in each lookSpacing. Of
	// 128 random bytes, 101 ± 4 differ.
	lookSize        = 128
	lookSpacing     = 8 << 10
	leastDifferent  = 78
	mostDifferent   = 122
	chiSquareExcess = 160 // 7 standard deviations above the mean of 255

	// Runs of runSize positions are remembered, and every runSize-th position
	// of all is looked up: bytes repeated at any distance, if a whole run is
	// among them, meet one of these. There are runsPerBlob of them, or more
	// in a large blob.
	runSize        = 128
	runsPerBlob    = 32
	mostRunSpacing = 32 << 10
	seenBits       = 13
	// A look-up compares 31 bits, once: random data hardly ever meets itself
	// by chance, and then the price is only a compression in vain.
	wordSize = 8
)

// Incompressible tells, at a small part of the cost of trying, that
// compression would not make plain notably (2 %) smaller. It is a judgement
// from samples: random bytes are told from bytes of uneven frequency,
// from regions of other bytes over 16 KiB anywhere, and from repetitions of
// 3 % of plain, of 32 KiB, or frequent ones. Smaller exceptions inside random data may be missed.
func Incompressible(plain []byte) bool {
	return len(plain) >= leastSampled && looksRandom(plain) && !repeats(plain)
}

// looksRandom tests the frequencies of bytes, in each look and over all.
func looksRandom(plain []byte) bool {
	var counts [256]uint32
	spacing := min(lookSpacing, len(plain)/64)
	jitter := uint32(1)
	total := 0
	for at := 0; at+lookSize <= len(plain); at += spacing {
		// Somewhere inside: regular data must not hide between the looks.
		jitter = jitter*1664525 + 1013904223
		room := min(spacing, len(plain)-at) - lookSize + 1
		from := at + int(uint64(jitter)*uint64(room)>>32)
		look := (*[lookSize]byte)(plain[from:])
		var seen [4]uint64
		for _, b := range look {
			seen[b>>6] |= 1 << (b & 63)
			counts[b]++
		}
		different := bits.OnesCount64(seen[0]) + bits.OnesCount64(seen[1]) +
			bits.OnesCount64(seen[2]) + bits.OnesCount64(seen[3])
		if different < leastDifferent || different > mostDifferent {
			return false
		}
		total += lookSize
	}
	return chiSquare(&counts, total) < 255+chiSquareExcess
}

// chiSquare returns the statistic of total bytes against equal frequencies:
// 255 ± 23 for random ones. An excess of 2·ln(2)·total·x means x bits per
// byte that an entropy coder could save.
func chiSquare(counts *[256]uint32, total int) uint64 {
	var squares uint64
	for _, n := range counts {
		squares += uint64(n) * uint64(n)
	}
	return squares*256/uint64(total) - uint64(total)
}

// repeats tells whether some run of bytes comes again within the window.
func repeats(plain []byte) bool {
	var seen [1 << seenBits]uint32 // fingerprints of positions
	spacing := min(mostRunSpacing, max(4*runSize, len(plain)/runsPerBlob))
	last := len(plain) - wordSize
	for at := 0; at <= last; at += spacing {
		// Looked up before the run is remembered, or it would find itself.
		for probe := at; probe <= min(last, at+spacing-1); probe += runSize {
			h := fingerprint(plain[probe:])
			if seen[h>>(64-seenBits)] == uint32(h)|1 {
				return true
			}
			if probe == at {
				remember(&seen, plain[at:min(at+runSize, last)+wordSize-1])
			}
		}
	}
	return false
}

// remember notes all positions of a run, but the very last of plain.
func remember(seen *[1 << seenBits]uint32, run []byte) {
	for i := 0; i+wordSize <= len(run); i++ {
		h := fingerprint(run[i:])
		seen[h>>(64-seenBits)] = uint32(h) | 1
	}
}

// fingerprint mixes the next eight bytes so that its high and its low half
// are independent.
func fingerprint(p []byte) uint64 {
	h := binary.LittleEndian.Uint64(p) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}
