//go:build gc && !purego

package compress

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// bothWays finds the matches of plain with the assembly and without, and
// writes them so, and returns what differs.
func bothWays(fast, plainly *Encoder, plain []byte) error {
	fast.begin(plain)
	defer fast.searcher.finish()
	plainly.begin(plain)
	defer plainly.searcher.finish()
	for start := 0; start < len(plain); start += blockSize {
		end := min(start+blockSize, len(plain))
		if end-start < endMargin {
			return nil
		}
		f, p := &fast.searcher, &plainly.searcher
		f.expect(start, end)
		findFast(f)
		p.expect(start, end)
		findPlainly(p)
		if f.count != p.count || f.literals != p.literals || f.recent != p.recent {
			return fmt.Errorf("block at %d: %d sequences, literals from %d, offsets %v; plainly %d, %d, %v",
				start, f.count, f.literals, f.recent, p.count, p.literals, p.recent)
		}
		for n, s := range f.sequences[:f.count] {
			if want := p.sequences[n]; s.offset != want.offset || s.literals != want.literals || s.match != want.match {
				return fmt.Errorf("block at %d, sequence %d: %+v, plainly %+v", start, n, s, want)
			}
		}
		if f.count < 2 {
			continue
		}
		gather(fast.literals, plain, start, end, f.sequences[:f.count], &fast.recent, &fast.counts)
		t := &fast.tables
		w := newStateWriter(make([]byte, (f.count+2)*sequenceBytes+8), f.sequences[:f.count], &t.literals.fixed, &t.offset.fixed, &t.match.fixed)
		v := w
		v.room = slices.Clone(w.room)
		writeStatesFast(&w)
		writeStatesPlainly(&v)
		if w.bits != v.bits || w.states != v.states || !slices.Equal(w.room[:w.bits.at], v.room[:v.bits.at]) {
			return fmt.Errorf("block at %d: wrote %+v with states %v, plainly %+v with %v", start, w.bits, w.states, v.bits, v.states)
		}
	}
	return nil
}

// TestFast holds the assembly to what it stands for.
func TestFast(t *testing.T) {
	if !hasFast() {
		t.Skip("this CPU does not have the instructions")
	}
	r := rand.New(rand.NewPCG(3, 4))
	fast, plainly := NewEncoder(), NewEncoder()
	fastNear, plainlyNear := NewNear(), NewNear()
	check := func(name string, plain []byte) {
		t.Helper()
		if err := errors.Join(bothWays(fast, plainly, plain), bothWays(fastNear, plainlyNear, plain)); err != nil {
			t.Fatalf("%s, %d bytes: %v", name, len(plain), err)
		}
	}
	for name, plain := range hostile(r) {
		check(name, plain)
	}
	for n := range 300 {
		check("patches", patch(r, n))
	}
	for range 50 {
		check("patches", patch(r, r.IntN(1<<r.IntN(19))))
		check("text", text(r, r.IntN(1<<r.IntN(19))))
	}
}

func FuzzFast(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 20, 50, 200} {
		f.Add(patch(r, n), uint16(n), uint8(n))
	}
	fast, plainly := NewEncoder(), NewEncoder()
	f.Fuzz(func(t *testing.T, piece []byte, times uint16, flip uint8) {
		if err := bothWays(fast, plainly, fuzzed(piece, times, flip)); err != nil {
			t.Error(err)
		}
	})
}
