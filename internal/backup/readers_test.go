package backup

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/source"
)

// slowSource makes files that each take a while to be opened, and counts how
// many are being opened at once.
func slowSource(files int, opening time.Duration) (src *fake, most *atomic.Int32) {
	src, most = newFake(), new(atomic.Int32)
	for n := range files {
		src.file(fmt.Sprintf("/folder%d/file%d", n%50, n), fmt.Append(nil, n))
	}
	var now atomic.Int32
	src.before = func(op, _ string) error {
		if op != "read" {
			return nil
		}
		n := now.Add(1)
		for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
		}
		time.Sleep(opening)
		now.Add(-1)
		return nil
	}
	return src, most
}

// The clock of this test runs only while all wait.
func TestReadersAdaptToTheMedium(t *testing.T) {
	for _, c := range []struct {
		name       string
		fixed      int
		fewest, at int32
	}{{"found out", 0, 16, 16}, {"fixed", 3, 3, 3}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, most := slowSource(4000, 20*time.Millisecond)
				b := newBed(t)
				r := b.run(src, func(o *Options) {
					o.Readers, o.Concurrency, o.OnItem = c.fixed, source.Concurrency{Least: 2, Start: 2, Most: 16}, nil
				})
				if n := most.Load(); n < c.fewest || n > c.at {
					t.Errorf("%d files were read at once, want %d to %d", n, c.fewest, c.at)
				}
				b.wantTree(r.Snapshot.Tree, src)
				src.wantClosed(t)
			})
		})
	}
}
