// Package blob names the pieces of content a repository stores: pieces of
// files (data) and directory listings (trees).
package blob

import (
	"fmt"

	"holdfast/repository/id"
)

// Type says what a blob holds. The values are those of a pack's header
// entries for blobs that are not compressed.
type Type uint8

// The types of blobs.
const (
	Data Type = 0
	Tree Type = 1
)

// String returns the name used in index files.
func (t Type) String() string {
	switch t {
	case Data:
		return "data"
	case Tree:
		return "tree"
	}
	return fmt.Sprintf("invalid blob type %d", uint8(t))
}

// MarshalText writes the name used in index files.
func (t Type) MarshalText() ([]byte, error) {
	if t > Tree {
		return nil, fmt.Errorf("%s", t)
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads the name used in index files.
func (t *Type) UnmarshalText(text []byte) error {
	switch string(text) {
	case "data":
		*t = Data
	case "tree":
		*t = Tree
	default:
		return fmt.Errorf("unknown blob type %q", text)
	}
	return nil
}

// Handle identifies a blob: the hash of its plaintext and its type. The same
// bytes may be stored once as data and once as a tree.
type Handle struct {
	ID   id.ID
	Type Type
}

// String returns a form for messages, such as "tree/3f9a0c11".
func (h Handle) String() string { return h.Type.String() + "/" + h.ID.Short() }

// Location says where the sealed bytes of a blob lie inside a pack.
type Location struct {
	Pack   id.ID
	Offset uint32
	// Length counts the stored bytes: sealed and, in most cases, compressed.
	Length uint32
	// PlainLength counts the bytes before compression; 0 means that the blob
	// is stored uncompressed.
	PlainLength uint32
}

// IsCompressed tells whether the blob is stored compressed.
func (l Location) IsCompressed() bool { return l.PlainLength != 0 }

// Overhead is what sealing adds to a blob: a 16-byte IV and a 16-byte tag
// (doc/design.rst, "Keys, Encryption and MAC").
const Overhead = 32

// DataLength returns the number of bytes the blob has once opened and
// decompressed.
func (l Location) DataLength() uint32 {
	if l.IsCompressed() {
		return l.PlainLength
	}
	if l.Length < Overhead {
		return 0
	}
	return l.Length - Overhead
}

// Blob is a blob and one place where it is stored.
type Blob struct {
	Handle
	Location
}
