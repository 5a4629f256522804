package restore

import (
	"context"
	"strings"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// A restore needs the packs that Packs names and no others: with all other
// packs of file content gone it works, and what is done needs none.
func TestPacks(t *testing.T) {
	s := mem.New()
	b := newBedIn(t, s)
	b.make(fileOf("other", strings.Repeat("other", 1000)))
	b.make(fileOf("first", "one"))
	snap := b.make(dirOf("d", fileOf("first", "one"), fileOf("second", "two")), fileOf("third", "three", "one"))
	target := t.TempDir()

	all := b.packs(snap, Options{Target: target})
	if len(all) != 2 || all.bytes() == 0 {
		t.Fatalf("%d packs, want 2", len(all))
	}
	some := b.packs(snap, Options{Target: target, Subfolder: "/d", Filter: Filter{Exclude: lists1(t, "second")}})
	if len(some) != 1 {
		t.Errorf("one file needs %d packs", len(some))
	}

	err := s.List(t.Context(), "data/", func(i storage.Info) error {
		pack, err := id.Parse(i.Key[len(i.Key)-64:])
		if err != nil || all[pack] > 0 || b.holdsTrees(pack) {
			return err
		}
		return s.Delete(t.Context(), i.Key)
	})
	if err != nil {
		t.Fatal(err)
	}
	b.restore(snap, target)
	if left := b.packs(snap, Options{Target: target}); len(left) != 0 {
		t.Errorf("what is restored already needs %d packs", len(left))
	}
	if left := b.packs(snap, Options{Target: target, Overwrite: Always}); len(left) != 2 {
		t.Errorf("writing everything again needs %d packs, want 2", len(left))
	}
}

type packSizes map[id.ID]uint64

func (p packSizes) bytes() (n uint64) {
	for _, b := range p {
		n += b
	}
	return n
}

func (b *bed) packs(s *snapshot.Snapshot, o Options) packSizes {
	b.t.Helper()
	packs, err := Packs(context.Background(), b.repo, s, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return packs
}

// holdsTrees tells whether a pack holds folders.
func (b *bed) holdsTrees(pack id.ID) (trees bool) {
	b.t.Helper()
	err := b.repo.Index().ByPack(context.Background(), func(i id.ID) bool { return i == pack }, func(_ id.ID, blobs []blob.Blob) error {
		trees = blobs[0].Type == blob.Tree
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return trees
}
