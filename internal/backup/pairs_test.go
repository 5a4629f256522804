package backup

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"holdfast/repository/id"
)

// TestPairs has more files read at once than there are places, of even and odd
// numbers of chunks: each chunk comes to be stored once, under its own name, and
// no place is lost. It would hang if chunks that wait could take all places.
func TestPairs(t *testing.T) {
	a := &archiver{places: newPlaces(2)}
	var mu sync.Mutex
	stored := map[id.ID]int{}
	files, _ := errgroup.WithContext(t.Context())
	const count = 12
	want := 0
	for n := range count {
		chunks := 2*n + n%3
		want += chunks
		files.Go(func() error {
			g, ctx := errgroup.WithContext(t.Context())
			p := &pairs{a: a, g: g}
			for k := range chunks {
				if err := a.places.take(ctx); err != nil {
					return err
				}
				chunk := binary.BigEndian.AppendUint32(make([]byte, 100*n+k), uint32(n<<16+k)) //nolint:gosec // small numbers
				p.add(&pairChunk{chunk, func(i id.ID) error {
					defer a.places.give()
					if i != id.Hash(chunk) {
						return fmt.Errorf("chunk %d of file %d is called %s", k, n, i)
					}
					mu.Lock()
					defer mu.Unlock()
					stored[i]++
					return nil
				}})
			}
			p.flush()
			return g.Wait()
		})
	}
	if err := files.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(stored) != want {
		t.Errorf("%d chunks are stored of %d", len(stored), want)
	}
	for i, times := range stored {
		if times != 1 {
			t.Errorf("%s is stored %d times", i, times)
		}
	}
	if all, held := len(a.places.all), len(a.places.held); all != 0 || held != 0 {
		t.Errorf("%d places are taken in the end, %d of chunks that wait", all, held)
	}
}

// TestChunksMeet has the second chunk named together with the first, and with
// none that wait too many.
func TestChunksMeet(t *testing.T) {
	a := &archiver{places: newPlaces(2)}
	a.places.held = make(chan struct{}, 1)
	one, two := &pairs{a: a}, &pairs{a: a}
	c, d, e := &pairChunk{}, &pairChunk{}, &pairChunk{}
	if first, waits := one.meet(c); first != nil || !waits {
		t.Errorf("the first chunk meets %v, and waits: %v", first, waits)
	}
	if first, waits := two.meet(d); first != nil || waits {
		t.Errorf("a chunk of another file meets %v, and waits: %v", first, waits)
	}
	if first, waits := one.meet(e); first != c || waits {
		t.Errorf("the second chunk meets %v, and waits: %v", first, waits)
	}
	if _, waits := two.meet(d); !waits {
		t.Error("none waits, and a chunk does not")
	}
}

// TestLargeFilesSideBySide reads more large files at once than there are places
// for their chunks, and the same again.
func TestLargeFilesSideBySide(t *testing.T) {
	b, s := newBed(t), newFake()
	for n := range 7 {
		s.file(fmt.Sprintf("/src/%d", n), noise(parallelFileBytes+n*300_000, uint64(n))) //nolint:gosec // small numbers
	}
	eight := func(o *Options) { o.Readers = 8 }
	first := b.clean(s, eight)
	b.wantTree(first.Snapshot.Tree, s)
	full := b.clean(s, eight, func(o *Options) { o.Type = "full" })
	if full.Snapshot.Tree != first.Snapshot.Tree {
		t.Error("the same files are another tree when they are read again")
	}
}
