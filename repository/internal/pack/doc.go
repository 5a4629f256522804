// Package pack reads and writes pack files: many sealed blobs in one object.
//
// A pack is its blobs, back to back, then a sealed header that lists them,
// then the length of that sealed header as a little-endian uint32
// (doc/design.rst, "Pack Format"):
//
//	blob 0 ‖ blob 1 ‖ … ‖ sealed header ‖ header length
//
// The header's entries stand in the order of the blobs, so a blob's offset is
// the sum of the lengths before it. There is no gap, padding or overlap, and
// data and tree blobs do not share a pack. The name of a pack is the SHA-256
// of all of its bytes.
//
// The package does no cryptography: whoever holds the key hands it in as a
// function. Everything it reads is checked, and what breaks the format gives
// an error that wraps ErrDamaged.
package pack

import "errors"

// ErrDamaged says that bytes which should be a pack, or a pack's header,
// break the format. Reading them again will not help.
var ErrDamaged = errors.New("damaged pack")
