package scrypt

import (
	"encoding/binary"
	"fmt"

	"github.com/edsrzf/mmap-go"
)

// lanes is how many runs can go on at once.
const lanes = 4

// mix says of one lane: out becomes scryptBlockMix of in xor the other. No two
// of them overlap but in and xor.
type mix struct{ in, xor, out *byte }

// mixer does a mix for each lane, with blocks of 128·r bytes.
type mixer func(mixes *[lanes]mix, r int)

// runs are all runs of scryptROMix for one key.
type runs struct {
	n, r int
	// blocks are what they begin with and come to, those before next are taken.
	blocks []byte
	next   int
	// atOnce run side by side; each keeps the values whose number it divides.
	atOnce int
}

func newRuns(n, r int, blocks []byte) *runs {
	return &runs{n: n, r: r, blocks: blocks, atOnce: width(len(blocks) / blockBytes(r))}
}

// width returns how many of p runs at once take the least time: of k, each does
// n mixes to make its values and then, for each of n that it asks for, one and
// (k-1)/2 more to make that again.
func width(p int) int {
	best, least := 1, 0
	for k := 1; k <= min(p, lanes); k++ {
		rounds := (p + k - 1) / k
		if cost := rounds * (4 + k - 1); least == 0 || cost < least {
			best, least = k, cost
		}
	}
	return best
}

// do does all runs. Their memory is not the garbage collector's: it would keep
// it, with what a password can be tried by, long after the key is made.
func (s *runs) do(way mixer) error {
	kept := (s.n + s.atOnce - 1) / s.atOnce
	each := (kept + scratchBlocks) * blockBytes(s.r)
	memory, err := mmap.MapRegion(nil, s.atOnce*each+2*blockBytes(s.r), mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return fmt.Errorf("get memory: %w", err)
	}
	defer memory.Unmap() //nolint:errcheck // there is nothing to be done about it

	zeros, junk := &memory[s.atOnce*each], &memory[s.atOnce*each+blockBytes(s.r)]
	idle := mix{in: zeros, xor: zeros, out: junk}
	running := make([]*run, s.atOnce)
	for k := range running {
		running[k] = newRun(s, memory[k*each:][:each], zeros)
	}
	for {
		mixes, busy := [lanes]mix{idle, idle, idle, idle}, false
		for k, l := range running {
			if l.goesOn() {
				mixes[k], busy = l.step(), true
			}
		}
		if !busy {
			return nil
		}
		way(&mixes, s.r)
	}
}

// take returns the next block; nil when all are taken.
func (s *runs) take() []byte {
	if s.next == len(s.blocks) {
		return nil
	}
	block := s.blocks[s.next:][:blockBytes(s.r)]
	s.next += len(block)
	return block
}

// scratchBlocks is how many values a run needs beside those it keeps.
const scratchBlocks = 4

// run does one run of scryptROMix after the other (RFC 7914, section 5).
type run struct {
	all   *runs
	zeros *byte

	block  []byte // where the result goes; nil when there is nothing to do
	values []byte // V of the RFC, as far as it is kept
	done   int    // mixes of the 2n, without those that make values again
	x      value  // X of the RFC

	// asked tells that Integerify(X) was asked for: the value wanted is so many
	// mixes away from v.
	asked bool
	v     value
	away  int

	forX, forV [2]value
}

// value is a place for blockBytes.
type value []byte

func newRun(s *runs, memory []byte, zeros *byte) *run {
	size := blockBytes(s.r)
	scratch := func(k int) value { return memory[len(memory)-(k+1)*size:][:size] }
	return &run{
		all: s, zeros: zeros, values: memory[:len(memory)-scratchBlocks*size],
		forX: [2]value{scratch(0), scratch(1)}, forV: [2]value{scratch(2), scratch(3)},
	}
}

// goesOn ends what is done, and tells whether there is more to do.
func (l *run) goesOn() bool {
	if l.block != nil && l.done < 2*l.all.n {
		return true
	}
	if l.block != nil {
		inOrder(l.block, l.x)
	}
	if l.block = l.all.take(); l.block == nil {
		return false
	}
	l.done, l.x = 0, l.kept(0)
	byDiagonals(l.x, l.block)
	return true
}

// kept returns the place of a value that is kept.
func (l *run) kept(number int) value {
	size := blockBytes(l.all.r)
	return value(l.values[number/l.all.atOnce*size:][:size])
}

// step returns the mix to be done next, which must be done before the next call.
func (l *run) step() mix {
	if l.done < l.all.n {
		return l.fill()
	}
	if !l.asked {
		number := int(binary.LittleEndian.Uint32(l.x[len(l.x)-64:])) & (l.all.n - 1)
		l.asked, l.v, l.away = true, l.kept(number), number%l.all.atOnce
	}
	if l.away > 0 {
		l.away--
		from := l.v
		l.v = other(&l.forV, from)
		return mix{in: &from[0], xor: l.zeros, out: &l.v[0]}
	}
	from := l.x
	l.x, l.asked = other(&l.forX, from), false
	l.done++
	return mix{in: &from[0], xor: &l.v[0], out: &l.x[0]}
}

// fill makes the next of the values.
func (l *run) fill() mix {
	from := l.x
	l.done++
	if l.done < l.all.n && l.done%l.all.atOnce == 0 {
		l.x = l.kept(l.done)
	} else {
		l.x = other(&l.forX, from)
	}
	return mix{in: &from[0], xor: l.zeros, out: &l.x[0]}
}

// other returns the one of two places that v is not.
func other(of *[2]value, v value) value {
	if &of[0][0] == &v[0] {
		return of[1]
	}
	return of[0]
}

// order is how the words of a block are kept: by its diagonals, see
// mix_amd64.s. The first one stays in its place.
var order = [16]int{0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11}

// byDiagonals brings words into the order in which they are kept.
func byDiagonals(to, from []byte) {
	for at := 0; at < len(from); at += 64 {
		for k, word := range order {
			copy(to[at+4*k:][:4], from[at+4*word:])
		}
	}
}

// inOrder brings them back.
func inOrder(to, from []byte) {
	for at := 0; at < len(from); at += 64 {
		for k, word := range order {
			copy(to[at+4*word:][:4], from[at+4*k:])
		}
	}
}
