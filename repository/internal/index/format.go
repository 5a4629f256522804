package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"

	"holdfast/repository/id"
)

// A segment file is, with all numbers little-endian:
//
//	header     64 bytes, see header
//	entries    48 bytes each, sorted by ID, type, pack row, offset
//	fan-out    2^bits + 1 uint32: how many entries have an ID whose first
//	           bits are less than the subscript
//	marks      2 bytes each: how the ID of each entry ends
//	pack rows  36 bytes each: pack ID, number of its index file
//	files      32 bytes each: the IDs of the index files covered
//
// A lookup goes through the marks of one stretch of the fan-out. What is not
// there, which in a first backup is nearly every blob, is so found out without
// a look at the entries, whose pages then need not be in memory.
//
// Counts and sizes follow from the header, so a file that was cut is known by
// its length alone.

const (
	headerSize  = 64
	fanoutSize  = 4
	markSize    = 2
	rowSize     = id.Size + 4
	fileRowSize = id.Size
)

// magic begins every segment. Its last character is the version: segments of
// other versions are made again.
const magic = "hfindex2"

// maxFanoutBits bounds the fan-out table to 16 MiB: beyond some 70 million
// entries the stretches to be searched grow.
const maxFanoutBits = 22

// errSegment says that a file is not a sound segment.
var errSegment = errors.New("damaged index segment")

// castagnoli is the CRC that processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header says what a segment file consists of.
type header struct {
	entries, rows, files uint64
	fanoutBits           uint32
	// body is the CRC-32C of all that follows the header.
	body uint32
}

func (h *header) encode() []byte {
	p := make([]byte, headerSize)
	copy(p, magic)
	binary.LittleEndian.PutUint64(p[8:], h.entries)
	binary.LittleEndian.PutUint64(p[16:], h.rows)
	binary.LittleEndian.PutUint64(p[24:], h.files)
	binary.LittleEndian.PutUint32(p[32:], h.fanoutBits)
	binary.LittleEndian.PutUint32(p[36:], h.body)
	binary.LittleEndian.PutUint32(p[headerSize-4:], crc32.Checksum(p[:headerSize-4], castagnoli))
	return p
}

func (h *header) decode(p []byte) error {
	sum := crc32.Checksum(p[:headerSize-4], castagnoli)
	if string(p[:len(magic)]) != magic || binary.LittleEndian.Uint32(p[headerSize-4:]) != sum {
		return fmt.Errorf("%w: bad header", errSegment)
	}
	h.entries = binary.LittleEndian.Uint64(p[8:])
	h.rows = binary.LittleEndian.Uint64(p[16:])
	h.files = binary.LittleEndian.Uint64(p[24:])
	h.fanoutBits = binary.LittleEndian.Uint32(p[32:])
	h.body = binary.LittleEndian.Uint32(p[36:])
	if h.entries > math.MaxUint32 || h.rows > maxRows || h.files > math.MaxUint32 || h.fanoutBits > maxFanoutBits {
		return fmt.Errorf("%w: impossible header", errSegment)
	}
	return nil
}

// The offsets of the sections. The bounds of the counts keep them far from
// overflow.
func (h *header) fanoutAt() int64 { return headerSize + int64(h.entries)*entrySize }
func (h *header) marksAt() int64  { return h.fanoutAt() + (1<<h.fanoutBits+1)*fanoutSize }
func (h *header) rowsAt() int64   { return h.marksAt() + int64(h.entries)*markSize }
func (h *header) filesAt() int64  { return h.rowsAt() + int64(h.rows)*rowSize }
func (h *header) size() int64     { return h.filesAt() + int64(h.files)*fileRowSize }

// fanoutBitsFor chooses the fan-out for about so many entries: stretches of 8
// to 16 entries, whose marks are in one or two cache lines.
func fanoutBitsFor(entries uint64) uint32 {
	return min(uint32(bits.Len64(entries/16)), maxFanoutBits)
}

// bucket returns the stretch of the fan-out to which an ID belongs.
func bucket(prefix uint64, fanoutBits uint32) uint64 { return prefix >> (64 - fanoutBits) }
