package chunk

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/restic/chunker"
	"pgregory.net/rapid"
)

// methods returns both methods, with fixed parameters.
func methods(t testing.TB) map[string]Method {
	t.Helper()
	rabin, err := NewRabin(benchPolynomial)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Method{"rabin": rabin, "gear": NewGear([32]byte{1, 2, 3})}
}

// failer is what tests and rapid's checks have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// lengths cuts data, handed over in pieces of the sizes that piece returns,
// and returns the lengths of the chunks.
func lengths(t failer, c Cutter, data []byte, piece func() int) []int {
	t.Helper()
	var out []int
	length := 0
	for len(data) > 0 {
		p := data[:min(len(data), piece())]
		n, cut := c.Next(p)
		if !cut && n != len(p) {
			t.Fatalf("Next took %d of %d bytes without a cut", n, len(p))
		}
		data, length = data[n:], length+n
		if cut {
			out, length = append(out, length), 0
		}
	}
	if length > 0 {
		out = append(out, length)
	}
	return out
}

func whole() int { return 1 << 40 }

// resticLengths returns the lengths that restic's own chunker gives.
func resticLengths(t testing.TB, p Polynomial, data []byte) []int {
	t.Helper()
	var out []int
	c := chunker.New(bytes.NewReader(data), chunker.Pol(p))
	buf := make([]byte, 0, rabinMaxSize)
	for {
		chunk, err := c.Next(buf)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, int(chunk.Length))
	}
}

// naiveGearLengths follows the text of docs/format/gear-cutter.md.
func naiveGearLengths(g *Gear, data []byte) []int {
	var out []int
	start := 0
	for i := range data {
		length := i + 1 - start
		if length < 512<<10 {
			continue
		}
		var hash uint64
		for _, b := range data[i-63 : i+1] {
			hash = hash*2 + g.table[b]
		}
		zeros := 18
		if length < 768<<10 {
			zeros = 21
		}
		if hash>>(64-zeros) == 0 || length == 4<<20 {
			out, start = append(out, length), i+1
		}
	}
	if start < len(data) {
		out = append(out, len(data)-start)
	}
	return out
}

// awkward are streams that random data does not resemble.
func awkward() map[string][]byte {
	text := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog\n"), 600_000)
	sparse := make([]byte, 20*miB)
	copy(sparse[3*miB+17:], randomBytes(2*miB, 3))
	return map[string][]byte{
		"empty":     nil,
		"one byte":  {7},
		"min - 1":   randomBytes(512*kiB-1, 4),
		"min":       randomBytes(512*kiB, 4),
		"min + 1":   randomBytes(512*kiB+1, 4),
		"zeros":     make([]byte, 20*miB),
		"ones":      bytes.Repeat([]byte{0xff}, 9*miB+1),
		"text":      text,
		"sparse":    sparse,
		"repeating": bytes.Repeat(randomBytes(100_003, 5), 90),
	}
}

func TestRabinCutsAsRestic(t *testing.T) {
	rabin := methods(t)["rabin"]
	streams := awkward()
	streams["random"] = randomBytes(64*miB, 6)
	for name, data := range streams {
		t.Run(name, func(t *testing.T) {
			got, want := lengths(t, rabin.NewCutter(), data, whole), resticLengths(t, benchPolynomial, data)
			if !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestRabinCutsAsResticForAnyPolynomial(t *testing.T) {
	for seed := range uint64(6) {
		p, err := RandomPolynomial()
		if err != nil {
			t.Fatal(err)
		}
		rabin, err := NewRabin(p)
		if err != nil {
			t.Fatal(err)
		}
		data := randomBytes(12*miB, 100+seed)
		got, want := lengths(t, rabin.NewCutter(), data, whole), resticLengths(t, p, data)
		if !slices.Equal(got, want) {
			t.Errorf("polynomial %s: got %v, want %v", p, got, want)
		}
	}
}

func TestGearCutsAsSpecified(t *testing.T) {
	g := NewGear([32]byte{9})
	streams := awkward()
	streams["random"] = randomBytes(4*miB, 6)
	streams["text"] = streams["text"][:2*miB]
	streams["zeros"] = streams["zeros"][:5*miB]
	delete(streams, "ones") // as zeros
	for name, data := range streams {
		t.Run(name, func(t *testing.T) {
			got, want := lengths(t, g.NewCutter(), data, whole), naiveGearLengths(g, data)
			if !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// The vector of docs/format/gear-cutter.md: it must never change.
func TestGearVector(t *testing.T) {
	var secret [32]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	g := NewGear(secret)
	data := make([]byte, 8*miB)
	state := uint32(1)
	for i := range data {
		state = state*1664525 + 1013904223
		data[i] = byte(state >> 24)
	}
	if got := hex.EncodeToString(appendTable(g)); got != gearVectorTable {
		t.Errorf("table begins %s, want %s", got, gearVectorTable)
	}
	if got := lengths(t, g.NewCutter(), data, whole); !slices.Equal(got, gearVectorLengths) {
		t.Errorf("lengths %v, want %v", got, gearVectorLengths)
	}
}

const gearVectorTable = "ddfc8cffee1411580337008462876792"

var gearVectorLengths = []int{1557733, 585187, 892670, 1073223, 1020312, 796371, 870371, 974883, 617858}

// appendTable returns the first two entries, big-endian as in the document.
func appendTable(g *Gear) []byte {
	var out []byte
	for _, v := range g.table[:2] {
		for shift := 56; shift >= 0; shift -= 8 {
			out = append(out, byte(v>>shift))
		}
	}
	return out
}

func TestCutsDoNotDependOnPieces(t *testing.T) {
	data := randomBytes(10*miB, 8)
	copy(data[miB:], make([]byte, 3*miB))
	for name, method := range methods(t) {
		want := lengths(t, method.NewCutter(), data, whole)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			largest := rapid.SampledFrom([]int{130, 5000, 70_000, 3 * miB}).Draw(t, "largest")
			pieces := func() int { return 1 + rng.IntN(largest) }
			c := method.NewCutter()
			c.Next(data[:rng.IntN(2*miB)])
			c.Reset() // must leave nothing behind
			if got := lengths(t, c, data, pieces); !slices.Equal(got, want) {
				t.Fatalf("got  %v\nwant %v", got, want)
			}
		}))
	}
}

func TestCutsFindEachOtherAfterAnInsertion(t *testing.T) {
	before := randomBytes(48*miB, 9)
	at := 10*miB + 12345
	after := slices.Concat(before[:at], []byte("inserted"), before[at:])
	for name, method := range methods(t) {
		t.Run(name, func(t *testing.T) {
			known := chunkSet(before, lengths(t, method.NewCutter(), before, whole))
			fresh := 0
			for chunk := range chunkSet(after, lengths(t, method.NewCutter(), after, whole)) {
				if !known[chunk] {
					fresh += len(chunk)
				}
			}
			if fresh > 10*miB {
				t.Errorf("%d bytes in new chunks after inserting 8", fresh)
			}
		})
	}
}

func chunkSet(data []byte, lengths []int) map[string]bool {
	set := make(map[string]bool)
	for _, n := range lengths {
		set[string(data[:n])] = true
		data = data[n:]
	}
	return set
}

func TestSizesStayWithinTheLimits(t *testing.T) {
	data := randomBytes(96*miB, 10)
	for name, method := range methods(t) {
		c := method.NewCutter()
		all := lengths(t, c, data, whole)
		for i, n := range all {
			if n > c.MaxSize() || n < c.MinSize() && i != len(all)-1 {
				t.Errorf("%s: chunk %d of %d bytes", name, i, n)
			}
		}
		average := float64(len(data)) / float64(len(all)) / miB
		if average < 0.75 || average > 2 {
			t.Errorf("%s: %.2f MiB on average", name, average)
		}
	}
}

func FuzzRabinCutsAsRestic(f *testing.F) {
	f.Add(uint64(1), uint32(3*miB), []byte("seed"))
	rabin, err := NewRabin(benchPolynomial)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, seed uint64, size uint32, pattern []byte) {
		data := randomBytes(int(size%(12*miB)), seed)
		for i := 0; i+len(pattern) < len(data) && len(pattern) > 0; i += 1 + int(seed%9973) + len(pattern) {
			copy(data[i:], pattern)
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		got := lengths(t, rabin.NewCutter(), data, func() int { return 1 + rng.IntN(100_000) })
		if want := resticLengths(t, benchPolynomial, data); !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}
