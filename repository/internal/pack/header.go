package pack

import (
	"encoding/binary"
	"fmt"
	"math"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// Sizes of the format, in bytes.
const (
	// PlainEntrySize is a header entry of a blob that is stored uncompressed:
	// type, stored length, ID.
	PlainEntrySize = 1 + 4 + id.Size
	// CompressedEntrySize is a header entry of a compressed blob, which adds
	// the length of its plaintext.
	CompressedEntrySize = PlainEntrySize + 4
	// Overhead is what a pack needs besides its blobs and entries: the seal
	// of the header and the header's length.
	Overhead = blob.Overhead + lengthSize
	// MaxHeaderSize bounds the sealed header; restic reads no longer one.
	MaxHeaderSize = 16 << 20

	lengthSize = 4
	// maxPlainHeader is the longest header before it is sealed.
	maxPlainHeader = MaxHeaderSize - blob.Overhead
)

// The type byte of an entry is the blob's type, plus compressedBit for a blob
// that is stored compressed.
const (
	compressedBit = 2
	maxTypeByte   = compressedBit | byte(blob.Tree)
)

// firstCompressed is the version of the repository format which introduced
// compressed blobs.
const firstCompressed = 2

// EntrySize returns the length of the header entry of b.
func EntrySize(b blob.Blob) int {
	if b.IsCompressed() {
		return CompressedEntrySize
	}
	return PlainEntrySize
}

// HeaderSize returns how many bytes the header of a pack with these blobs
// takes at its end: entries, seal and length field.
func HeaderSize(blobs []blob.Blob) int64 {
	n := int64(Overhead)
	for _, b := range blobs {
		n += int64(EntrySize(b))
	}
	return n
}

// EncodeHeader returns the plaintext of the header of a pack that holds
// blobs, which are given in the order in which they lie in it.
func EncodeHeader(blobs []blob.Blob) []byte {
	h := make([]byte, 0, len(blobs)*CompressedEntrySize)
	for _, b := range blobs {
		h = appendEntry(h, b)
	}
	return h
}

func appendEntry(h []byte, b blob.Blob) []byte {
	if !b.IsCompressed() {
		h = append(h, byte(b.Type))
		h = binary.LittleEndian.AppendUint32(h, b.Length)
		return append(h, b.ID[:]...)
	}
	h = append(h, byte(b.Type)|compressedBit)
	h = binary.LittleEndian.AppendUint32(h, b.Length)
	h = binary.LittleEndian.AppendUint32(h, b.PlainLength)
	return append(h, b.ID[:]...)
}

// DecodeHeader reads the plaintext of a header and returns the blobs it lists
// with their offsets; the ID of the pack is left zero. Version is that of the
// repository's format: version 1 knows no compressed blobs.
//
// Errors wrap ErrDamaged.
func DecodeHeader(plain []byte, version uint) ([]blob.Blob, error) {
	if len(plain) > maxPlainHeader {
		return nil, fmt.Errorf("%w: header of %d bytes is too long", ErrDamaged, len(plain))
	}
	blobs := make([]blob.Blob, 0, len(plain)/PlainEntrySize)
	var offset uint64
	for len(plain) > 0 {
		b, size, err := decodeEntry(plain, version)
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d of its header: %w", ErrDamaged, len(blobs), err)
		}
		b.Offset = uint32(offset)
		offset += uint64(b.Length)
		if offset > math.MaxUint32 {
			return nil, fmt.Errorf("%w: its blobs are longer than 4 GiB", ErrDamaged)
		}
		blobs = append(blobs, b)
		plain = plain[size:]
	}
	if len(blobs) == 0 {
		return nil, fmt.Errorf("%w: header lists no blob", ErrDamaged)
	}
	return blobs, nil
}

// decodeEntry reads the entry at the beginning of p and returns its size too.
func decodeEntry(p []byte, version uint) (b blob.Blob, size int, err error) {
	kind := p[0]
	compressed := kind&compressedBit != 0
	size = PlainEntrySize
	if compressed {
		size = CompressedEntrySize
	}
	switch {
	case kind > maxTypeByte:
		return b, 0, fmt.Errorf("unknown type %d", kind)
	case compressed && version < firstCompressed:
		return b, 0, fmt.Errorf("compressed blob in a repository of version %d", version)
	case len(p) < size:
		return b, 0, fmt.Errorf("%d bytes instead of %d", len(p), size)
	}
	b.Type = blob.Type(kind &^ compressedBit)
	b.Length = binary.LittleEndian.Uint32(p[1:])
	if compressed {
		b.PlainLength = binary.LittleEndian.Uint32(p[5:])
		if b.PlainLength == 0 {
			return b, 0, fmt.Errorf("compressed blob without content")
		}
	}
	if b.Length < blob.Overhead {
		return b, 0, fmt.Errorf("blob of %d bytes is shorter than its seal", b.Length)
	}
	copy(b.ID[:], p[size-id.Size:])
	return b, size, nil
}

// CheckLayout tells whether a pack of size bytes can hold exactly these blobs
// and its header: the blobs, in the order of their offsets, must begin at 0,
// follow each other without gap or overlap and leave the room their header
// needs, no more and no less. restic refuses to prune a pack that breaks this.
//
// Errors wrap ErrDamaged.
func CheckLayout(size int64, blobs []blob.Blob) error {
	var end int64
	for i, b := range blobs {
		if int64(b.Offset) != end {
			return fmt.Errorf("%w: blob %d (%s) begins at %d instead of %d", ErrDamaged, i, b.Handle, b.Offset, end)
		}
		end += int64(b.Length)
	}
	if want := end + HeaderSize(blobs); size != want {
		return fmt.Errorf("%w: it has %d bytes instead of the %d its blobs need", ErrDamaged, size, want)
	}
	return nil
}
