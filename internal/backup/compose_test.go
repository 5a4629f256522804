package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/backup"
	"holdfast/internal/crc32c"
	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

const testBlock = 8

// change is a file as it was, and what happened to it.
type change struct {
	was, is []byte
	cut     int // as it is cut now
	keep    int // bytes
	blocks  []uint32
}

// drawChange draws a file that shrinks, grows or stays as long, with blocks
// changed anywhere, none and all included.
func drawChange(t *rapid.T, name string) change {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 0)) //nolint:gosec // test data
	c := change{was: noise(r, testBlock*r.IntN(60)), cut: testBlock << r.IntN(4)}
	size := len(c.was)
	if r.IntN(3) > 0 {
		size = testBlock * (1 + r.IntN(60))
	}
	c.keep, c.is = size, make([]byte, size)
	if r.IntN(2) == 0 {
		c.keep = testBlock * r.IntN(size/testBlock+1)
	}
	copy(c.is, c.was[:min(c.keep, len(c.was))])
	one := 1 + r.IntN(10)
	for number := range uint32(size / testBlock) {
		if r.IntN(one) == 0 {
			c.blocks = append(c.blocks, number)
			copy(c.is[number*testBlock:][:testBlock], noise(r, testBlock))
		}
	}
	return c
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(r.Uint32())
	}
	return b
}

// arrival is what a server would send.
func (c change) arrival(path string, earlier *tree.Node, sums chan<- uint32) *source.Arrival {
	var content []byte
	for _, number := range c.blocks {
		content = append(content, c.is[number*testBlock:][:testBlock]...)
	}
	return &source.Arrival{
		Path: path, Node: tree.Node{Type: tree.File, Size: uint64(len(c.is))}, CutBytes: c.cut, Content: bytes.NewReader(content),
		Changes: &source.Changes{
			Earlier: earlier, EarlierSum: crc32c.Of(c.was), KeepBytes: int64(c.keep), BlockBytes: testBlock, Blocks: c.blocks,
			Composed: func(sum uint32) { sums <- sum },
		},
	}
}

// sent is a list of arrivals.
type sent []*source.Arrival

func (s *sent) Next(context.Context) (*source.Arrival, error) {
	if len(*s) == 0 {
		return nil, io.EOF
	}
	next := (*s)[0]
	*s = (*s)[1:]
	return next, nil
}

// after is content that looks at what was done before it.
type after struct{ look func() []byte }

func (a after) Read(p []byte) (int, error) { return copy(p, a.look()), io.EOF }

// Whatever happened to files, they are composed as they are: with the cuts,
// and so the blobs, of a backup that reads all of them, and their checksums.
func TestCompose(t *testing.T) {
	r := memRepository(t)
	rapid.Check(t, func(rt *rapid.T) {
		cut := testBlock << rapid.IntRange(0, 3).Draw(rt, "cut")
		var before, full []parcel
		changes := make([]change, rapid.IntRange(1, 4).Draw(rt, "files"))
		for k := range changes {
			changes[k] = drawChange(rt, fmt.Sprint("file ", k))
			if rapid.Bool().Draw(rt, "same cut") {
				changes[k].cut = cut
			}
			before = append(before, parcel{path: fmt.Sprint("shop/", k), content: changes[k].was, cut: cut})
			full = append(full, parcel{path: fmt.Sprint("shop/", k), content: changes[k].is, cut: changes[k].cut})
		}
		first := mustArrive(t, r, before)
		sums := make(chan uint32, len(changes))
		var composed sent
		for k, c := range changes {
			earlier := find(t, r, first.Snapshot.Tree, "shop", fmt.Sprint(k))
			composed = append(composed, c.arrival(fmt.Sprint("shop/", k), &earlier, sums))
		}
		composed = append(composed, &source.Arrival{
			Path: "shop/last", Node: tree.Node{Type: tree.File, Size: 1}, AfterAll: true,
			Content: after{func() []byte { return []byte{byte(len(sums))} }},
		})
		receipt, err := take(t, r, &composed, backup.Options{Type: snapshot.Incremental, Parent: first.Snapshot})
		if err != nil {
			rt.Fatal(err)
		}
		if n := find(t, r, receipt.Snapshot.Tree, "shop", "last"); contentOf(t, r, n)[0] != byte(len(changes)) {
			rt.Fatal("what comes after all was read before all were composed")
		}
		whole := mustArrive(t, r, full)
		var want []uint32
		for k, c := range changes {
			want = append(want, crc32c.Of(c.is))
			is, should := find(t, r, receipt.Snapshot.Tree, "shop", fmt.Sprint(k)), find(t, r, whole.Snapshot.Tree, "shop", fmt.Sprint(k))
			if !slices.Equal(is.Content, should.Content) && !bytes.Equal(c.was, c.is) {
				rt.Fatalf("file %d of %d bytes is composed of other blobs than it has", k, len(c.is))
			}
			if got := contentOf(t, r, is); !bytes.Equal(got, c.is) {
				rt.Fatalf("file %d is not as it is", k)
			}
		}
		got := []uint32{}
		for range changes {
			got = append(got, <-sums)
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			rt.Fatalf("checksums %08x, want %08x", got, want)
		}
	})
}

func mustArrive(t *testing.T, r *repository.Repository, list []parcel) *backup.Receipt {
	t.Helper()
	receipt, err := arrive(t, r, &parcels{list: list, end: io.EOF}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func take(t *testing.T, r *repository.Repository, src source.Arrivals, o backup.Options) (*backup.Receipt, error) {
	t.Helper()
	o.Snapshot = snapshot.Snapshot{Time: time.Unix(6000, 0), Hostname: "host", Paths: []string{"/shop"}}
	if o.Progress == nil {
		o.Progress = new(backup.Progress)
	}
	receipt, err := backup.RunArrivals(t.Context(), r, src, o, nil)
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	return receipt, err
}

// Only what is needed is read back, and what is the same is not.
func TestComposeReadsLittle(t *testing.T) {
	c := change{was: noise(rand.New(rand.NewPCG(1, 1)), 1<<20), cut: 1 << 10, keep: 1 << 20, blocks: []uint32{70000}} //nolint:gosec // test data
	c.is = slices.Clone(c.was)
	copy(c.is[70000*testBlock:], "changed!")
	r := memRepository(t)
	first := mustArrive(t, r, []parcel{{path: "shop/a", content: c.was, cut: 1 << 10}})
	earlier, progress := find(t, r, first.Snapshot.Tree, "shop", "a"), new(backup.Progress)
	receipt, err := take(t, r, &sent{c.arrival("shop/a", &earlier, make(chan uint32, 1))}, backup.Options{
		Type: snapshot.Incremental, Parent: first.Snapshot, Progress: progress,
	})
	if err != nil {
		t.Fatal(err)
	}
	if read, back := progress.BytesRead.Load(), progress.ReadBack.Load(); read != testBlock || back > 1<<10+100 {
		t.Errorf("%d bytes were read and %d read back", read, back)
	}
	if s := receipt.Snapshot; s.Type() != snapshot.Incremental || *s.Parent != first.Snapshot.ID || s.Summary.FilesChanged != 1 {
		t.Errorf("type %s, parent %v, %+v", s.Type(), s.Parent, s.Summary)
	}
}

// Blocks that do not arrive whole, or earlier data that are gone or damaged,
// make no snapshot. The latter can be told, and a full backup heals them.
func TestComposeFails(t *testing.T) {
	for name, test := range map[string]struct {
		spoil   func(a *source.Arrival)
		pack    string
		earlier bool
	}{
		"cut short":    {spoil: func(a *source.Arrival) { a.Content = bytes.NewReader(make([]byte, 12)) }},
		"pack gone":    {pack: "gone", earlier: true},
		"pack damaged": {pack: "damaged", earlier: true},
		"blob unknown": {spoil: func(a *source.Arrival) { a.Changes.Earlier.Content[1] = id.Hash([]byte("unknown")) }, earlier: true},
		"earlier size": {spoil: func(a *source.Arrival) { a.Changes.Earlier.Size++ }, earlier: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := mem.New()
			r := repositoryIn(t, store)
			c := change{was: noise(rand.New(rand.NewPCG(1, 1)), 1<<10), cut: 64, keep: 1 << 10, blocks: []uint32{5, 20}} //nolint:gosec // test data
			c.is = slices.Clone(c.was)
			first := mustArrive(t, r, []parcel{{path: "shop/a", content: c.was, cut: 64}})
			earlier := find(t, r, first.Snapshot.Tree, "shop", "a")
			arrival := c.arrival("shop/a", &earlier, make(chan uint32, 1))
			if test.pack != "" {
				spoilPack(t, r, store, &earlier, test.pack == "damaged")
			} else {
				test.spoil(arrival)
			}
			_, err := take(t, r, &sent{arrival}, backup.Options{Type: snapshot.Incremental, Parent: first.Snapshot})
			if err == nil || errors.Is(err, source.ErrEarlier) != test.earlier {
				t.Fatalf("error %v", err)
			}
			if all, err := r.Snapshots(t.Context()); err != nil || len(all) != 1 {
				t.Errorf("%d snapshots, %v", len(all), err)
			}
			o := backup.Options{Type: snapshot.Full, ReadBack: repository.IsCorrupt(err)}
			receipt, err := take(t, r, &parcels{list: []parcel{{path: "shop/a", content: c.is, cut: 64}}, end: io.EOF}, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := contentOf(t, r, find(t, r, receipt.Snapshot.Tree, "shop", "a")); !bytes.Equal(got, c.is) {
				t.Error("the full backup after it does not come back")
			}
		})
	}
}

// spoilPack damages or removes the pack that has the content of a file.
func spoilPack(t *testing.T, r *repository.Repository, s *mem.Store, n *tree.Node, damage bool) {
	t.Helper()
	at, ok := r.Index().Lookup(blob.Handle{ID: n.Content[0], Type: blob.Data})
	if !ok {
		t.Fatal("the blob is not in the index")
	}
	key := repository.PackFile.Key(at.Pack)
	body, err := s.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err := errors.Join(err, s.Delete(t.Context(), key)); err != nil {
		t.Fatal(err)
	}
	if damage {
		for k := range content {
			content[k] ^= 1
		}
		if err := s.Put(t.Context(), key, storage.Bytes(content), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
