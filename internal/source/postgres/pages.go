package postgres

import (
	"encoding/binary"

	"holdfast/internal/postgres"
)

// The head of a page (src/include/storage/bufpage.h): the LSN in two halves,
// the checksum, and where free space ends, which is 0 on a page never used.
const (
	pageChecksumAt = 8
	pageUpperAt    = 14
)

// pageState is what can be said of a page by itself.
type pageState int

const (
	// pageGood matches its checksum, or was never used.
	pageGood pageState = iota
	// pageLater was written after the backup began: the log has it whole.
	pageLater
	// pageBad is neither.
	pageBad
)

// judgePage judges a page of a relation. The number is that of the block in
// the whole relation, which the checksum is about as well.
func judgePage(page []byte, block uint32, start postgres.LSN) pageState {
	if binary.NativeEndian.Uint16(page[pageUpperAt:]) == 0 && allZero(page) {
		return pageGood
	}
	lsn := postgres.LSN(binary.NativeEndian.Uint32(page))<<32 | postgres.LSN(binary.NativeEndian.Uint32(page[4:]))
	switch {
	case lsn >= start:
		return pageLater
	case binary.NativeEndian.Uint16(page[pageUpperAt:]) == 0:
		return pageBad // unused, but not empty: the server refuses to read it
	case pageChecksum(page, block) != binary.NativeEndian.Uint16(page[pageChecksumAt:]):
		return pageBad
	}
	return pageGood
}

func allZero(page []byte) bool {
	for ; len(page) >= 8; page = page[8:] {
		if binary.NativeEndian.Uint64(page) != 0 {
			return false
		}
	}
	return true
}

// checksumLanes and checksumPrime are those of the page checksum: FNV-1a in 32
// lanes side by side (src/include/storage/checksum_impl.h).
const (
	checksumLanes = 32
	checksumPrime = 16777619
)

// checksumBasis is what the lanes begin with.
var checksumBasis = [checksumLanes]uint32{
	0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
	0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
	0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
	0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
}

// pageChecksum computes the checksum of a page, whose own is taken for zero.
func pageChecksum(page []byte, block uint32) uint16 {
	var first [4 * checksumLanes]byte
	copy(first[:], page)
	first[pageChecksumAt], first[pageChecksumAt+1] = 0, 0
	sum := block
	for lane := 0; lane < checksumLanes; lane += lanesAtOnce {
		sum ^= mixLanes(lane, &first, page)
	}
	return uint16(sum%65535 + 1)
}

// lanesAtOnce is how many lanes are computed together: as many as stay in
// registers.
const lanesAtOnce = 8

// mixLanes computes some lanes, from one on, over a page that begins as first
// does, and returns them mixed.
func mixLanes(from int, first *[4 * checksumLanes]byte, page []byte) uint32 {
	basis := (*[lanesAtOnce]uint32)(checksumBasis[from:])
	a, b, c, d, e, f, g, h := basis[0], basis[1], basis[2], basis[3], basis[4], basis[5], basis[6], basis[7]
	row := (*[4 * lanesAtOnce]byte)(first[4*from:])
	for at := 4*from + len(first); ; at += len(first) {
		a, b = mix(a, row[0:4]), mix(b, row[4:8])
		c, d = mix(c, row[8:12]), mix(d, row[12:16])
		e, f = mix(e, row[16:20]), mix(f, row[20:24])
		g, h = mix(g, row[24:28]), mix(h, row[28:32])
		if at >= len(page) {
			break
		}
		row = (*[4 * lanesAtOnce]byte)(page[at:])
	}
	var zero [4]byte
	for range 2 {
		a, b, c, d = mix(a, zero[:]), mix(b, zero[:]), mix(c, zero[:]), mix(d, zero[:])
		e, f, g, h = mix(e, zero[:]), mix(f, zero[:]), mix(g, zero[:]), mix(h, zero[:])
	}
	return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h
}

// mix takes one value into a lane.
func mix(lane uint32, value []byte) uint32 {
	mixed := lane ^ binary.NativeEndian.Uint32(value)
	return mixed*checksumPrime ^ mixed>>17
}
