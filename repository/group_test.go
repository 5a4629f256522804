package repository

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/codec"
)

// What a group holds stays as it is until it is shown, whatever the sizes of
// its blobs and wherever their plaintexts lie, and small ones find room without
// new memory.
func TestGroupHoldsBlobs(t *testing.T) {
	var g group // is used again, as readers do
	rapid.Check(t, func(t *rapid.T) {
		g.reset()
		sizes := rapid.SliceOfN(rapid.OneOf(
			rapid.IntRange(0, 4<<10),
			rapid.IntRange(groupBytes-codec.Slack, groupBytes+codec.Slack),
			rapid.IntRange(groupBytes, pairBytes),
		), 1, 24).Draw(t, "sizes")
		shown := 0
		show := func(b blob.Blob, plain []byte, err error) error {
			if err != nil {
				t.Fatalf("blob %d of %v: %v", shown, sizes, err)
			}
			if want := sizes[shown]; len(plain) != want || b.Offset != uint32(shown) {
				t.Fatalf("blob %d of %v: shown as number %d with %d bytes", shown, sizes, b.Offset, len(plain))
			}
			shown++
			return nil
		}
		for k, n := range sizes {
			if !g.fits(n) {
				if err := g.flush(show); err != nil {
					t.Fatal(err)
				}
			}
			plain := bytes.Repeat([]byte{byte(k)}, n)
			b := blob.Blob{Handle: blob.Handle{ID: id.Hash(plain)}, Location: blob.Location{Offset: uint32(k)}}
			room := g.room(n)
			if n <= groupBytes && cap(room) < n+codec.Slack {
				t.Fatalf("blob %d of %v: room for %d bytes", k, sizes, cap(room))
			}
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0: // as the decoder does, which writes into the slack
				g.add(b, append(append(room, plain...), make([]byte, codec.Slack)...)[:n])
			case 1:
				if n > groupBytes {
					g.addStored(b, plain, plain)
				} else {
					g.addCopy(b, plain)
				}
			default:
				g.hold(b, plain)
			}
		}
		if err := g.flush(show); err != nil || shown != len(sizes) {
			t.Fatalf("%d of %v were shown: %v", shown, sizes, err)
		}
	})
}
