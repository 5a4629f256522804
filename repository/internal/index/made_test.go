package index

import (
	"encoding/binary"

	"pgregory.net/rapid"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// madeID returns the ID of the n-th made thing of a kind. It costs far less
// than a hash, and spreads as evenly.
func madeID(kind byte, n int) (i id.ID) {
	x := uint64(n)<<8 | uint64(kind)
	for k := 0; k < id.Size; k += 8 {
		x += 0x9e3779b97f4a7c15 // splitmix64
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.BigEndian.PutUint64(i[k:], z^z>>31)
	}
	return i
}

const (
	madeBlobKind  = 1
	madePackKind  = 2
	madeIndexKind = 3
)

// madeHandle returns the n-th made blob.
func madeHandle(n int) blob.Handle {
	return blob.Handle{ID: madeID(madeBlobKind, n), Type: blob.Type(n / 100 % 2)}
}

// madePacks returns count packs of so many blobs each, numbered from first on.
func madePacks(first, count, blobsEach int) []Pack {
	packs := make([]Pack, count)
	for p := range packs {
		packs[p] = Pack{ID: madeID(madePackKind, first+p), Blobs: make([]blob.Blob, blobsEach)}
		for b := range packs[p].Blobs {
			packs[p].Blobs[b] = blob.Blob{
				Handle: madeHandle((first+p)*blobsEach + b),
				Location: blob.Location{
					Pack: packs[p].ID, Offset: uint32(b * 400_000), Length: 399_000 + uint32(b), PlainLength: 1_000_000 + uint32(b),
				},
			}
		}
	}
	return packs
}

// drawPack draws a pack of few blobs out of few, so that copies abound.
func drawPack(maxBlobs int) *rapid.Generator[Pack] {
	return rapid.Custom(func(t *rapid.T) Pack {
		p := Pack{ID: madeID(madePackKind, rapid.IntRange(0, 20).Draw(t, "pack"))}
		for range rapid.IntRange(0, maxBlobs).Draw(t, "blobs") {
			p.Blobs = append(p.Blobs, blob.Blob{
				Handle: blob.Handle{ID: madeID(madeBlobKind, rapid.IntRange(0, 30).Draw(t, "blob")), Type: blob.Type(rapid.IntRange(0, 1).Draw(t, "type"))},
				Location: blob.Location{
					Pack: p.ID, Offset: rapid.Uint32Range(0, 5).Draw(t, "offset"), Length: rapid.Uint32Range(blob.Overhead, 40).Draw(t, "length"),
					PlainLength: rapid.Uint32Range(0, 3).Draw(t, "plain length"),
				},
			})
		}
		return p
	})
}
