package index

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// entry is a line of a segment while it is being sorted and merged.
type entry struct {
	id id.ID
	// packType is the number of the pack (its row in the pack table), times
	// two, plus the type of the blob.
	packType uint32
	offset   uint32
	length   uint32
	plain    uint32
}

// entrySize is the length of a stored entry: the fields above in their order,
// numbers little-endian.
const entrySize = id.Size + 4*4

// maxRows bounds the pack table, so that packType can hold every row.
const maxRows = 1 << 31

func newEntry(b *blob.Blob, row uint32) entry {
	return entry{id: b.ID, packType: row<<1 | uint32(b.Type), offset: b.Offset, length: b.Length, plain: b.PlainLength}
}

func (e *entry) row() uint32 { return e.packType >> 1 }

// moveTo gives the entry another row of the pack table.
func (e *entry) moveTo(row uint32) { e.packType = row<<1 | e.packType&1 }

func (e *entry) encode(p []byte) {
	copy(p, e.id[:])
	binary.LittleEndian.PutUint32(p[32:], e.packType)
	binary.LittleEndian.PutUint32(p[36:], e.offset)
	binary.LittleEndian.PutUint32(p[40:], e.length)
	binary.LittleEndian.PutUint32(p[44:], e.plain)
}

func (e *entry) decode(p []byte) {
	copy(e.id[:], p)
	e.packType = binary.LittleEndian.Uint32(p[32:])
	e.offset = binary.LittleEndian.Uint32(p[36:])
	e.length = binary.LittleEndian.Uint32(p[40:])
	e.plain = binary.LittleEndian.Uint32(p[44:])
}

// compareEntries orders by ID, then type; the rest makes the order of copies
// definite.
func compareEntries(a, b *entry) int {
	if x, y := prefix(a.id[:]), prefix(b.id[:]); x != y {
		return cmp.Compare(x, y)
	}
	return cmp.Or(
		bytes.Compare(a.id[:], b.id[:]),
		cmp.Compare(a.packType&1, b.packType&1),
		cmp.Compare(a.packType, b.packType),
		cmp.Compare(a.offset, b.offset),
	)
}

// prefix returns the first eight bytes of an ID as a number of the same order.
func prefix(i []byte) uint64 { return binary.BigEndian.Uint64(i) }
