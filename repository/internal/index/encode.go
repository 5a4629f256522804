package index

import (
	"encoding/hex"
	"strconv"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// Pack is one pack as an index file lists it. The Pack field of its blobs is
// not looked at.
type Pack struct {
	ID    id.ID
	Blobs []blob.Blob
}

// encodedBlobSize is about what one blob takes in JSON, in bytes.
const encodedBlobSize = 176

// Encode returns the plaintext of an index file that lists packs, byte for
// byte as restic writes it (doc/design.rst, "Indexing").
func Encode(packs []Pack) []byte {
	blobs := 0
	for _, p := range packs {
		blobs += len(p.Blobs) + 1
	}
	out := make([]byte, 0, blobs*encodedBlobSize)
	out = append(out, `{"packs":[`...)
	for i, p := range packs {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendPack(out, p)
	}
	return append(out, "]}"...)
}

func appendPack(out []byte, p Pack) []byte {
	out = append(out, `{"id":"`...)
	out = hex.AppendEncode(out, p.ID[:])
	out = append(out, `","blobs":[`...)
	for i := range p.Blobs {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendBlob(out, &p.Blobs[i])
	}
	return append(out, "]}"...)
}

func appendBlob(out []byte, b *blob.Blob) []byte {
	out = append(out, `{"id":"`...)
	out = hex.AppendEncode(out, b.ID[:])
	out = append(out, `","type":"`...)
	out = append(out, b.Type.String()...)
	out = append(out, `","offset":`...)
	out = strconv.AppendUint(out, uint64(b.Offset), 10)
	out = append(out, `,"length":`...)
	out = strconv.AppendUint(out, uint64(b.Length), 10)
	if b.IsCompressed() {
		out = append(out, `,"uncompressed_length":`...)
		out = strconv.AppendUint(out, uint64(b.PlainLength), 10)
	}
	return append(out, '}')
}
