package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// SegmentHeader is what the first page of a segment says of it
// (XLogLongPageHeaderData).
type SegmentHeader struct {
	Timeline uint32
	// Start is the position of the page.
	Start LSN
	// System identifies the cluster (pg_control's system identifier).
	System       uint64
	SegmentBytes int64
}

// SegmentHeaderBytes is how much of a segment its header takes.
const SegmentHeaderBytes = 40

// ErrNotWAL says that a file does not begin as WAL does.
var ErrNotWAL = errors.New("not a WAL segment")

// The flag of a page with a long header (XLP_LONG_HEADER), and the version
// marks of WAL: PostgreSQL 15 has 0xD110, and each later one a higher.
const (
	longHeader = 0x0002
	minMagic   = 0xD110
	maxMagic   = 0xD1FF
)

// ParseSegmentHeader reads the beginning of a segment, as written on a
// machine with little-endian numbers, such as amd64 and arm64.
func ParseSegmentHeader(b []byte) (SegmentHeader, error) {
	if len(b) < SegmentHeaderBytes {
		return SegmentHeader{}, fmt.Errorf("%w: %d bytes long", ErrNotWAL, len(b))
	}
	le := binary.LittleEndian
	magic, info := le.Uint16(b), le.Uint16(b[2:])
	if magic < minMagic || magic > maxMagic || info&longHeader == 0 {
		return SegmentHeader{}, fmt.Errorf("%w of PostgreSQL 15 or later: it begins with %04X %04X", ErrNotWAL, magic, info)
	}
	h := SegmentHeader{
		Timeline: le.Uint32(b[4:]), Start: LSN(le.Uint64(b[8:])),
		System: le.Uint64(b[24:]), SegmentBytes: int64(le.Uint32(b[32:])),
	}
	if !IsSegmentSize(h.SegmentBytes) {
		return SegmentHeader{}, fmt.Errorf("%w: it says that segments have %d bytes", ErrNotWAL, h.SegmentBytes)
	}
	return h, nil
}
