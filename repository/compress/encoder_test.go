package compress

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast/test/tools"
)

func newDecoder(t testing.TB) *zstd.Decoder {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// randomBytes returns n bytes with so many different values.
func randomBytes(r *rand.Rand, n, values int) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(r.IntN(values))
	}
	return b
}

// text returns n bytes of words, of which some come often.
func text(r *rand.Rand, n int) []byte {
	var words []string
	for range 2000 {
		words = append(words, fmt.Sprintf("%016x", r.Uint64())[:1+r.IntN(12)])
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[r.IntN(1+r.IntN(len(words)))])
		b.WriteByte(" \n\t,"[r.IntN(4)])
	}
	return b.Bytes()[:n]
}

// patch returns pieces of what it has so far between random bytes, so that
// offsets and lengths of all sizes come up.
func patch(r *rand.Rand, n int) []byte {
	b := randomBytes(r, 64, 256)
	for len(b) < n {
		if r.IntN(2) == 0 {
			b = append(b, randomBytes(r, r.IntN(1<<r.IntN(12)), 1+r.IntN(256))...)
		}
		from := r.IntN(len(b))
		for range r.IntN(1 << r.IntN(18)) {
			b = append(b, b[from])
			from++
		}
	}
	return b[:n]
}

func hostile(r *rand.Rand) map[string][]byte {
	plain := map[string][]byte{
		"nothing": nil, "zeros": make([]byte, 300_000), "one zero block": make([]byte, blockSize),
		"zeros and an end": append(make([]byte, 2*blockSize), "the end"...),
		"long repeat":      bytes.Repeat(randomBytes(r, 700_000, 256), 3),
		"random":           randomBytes(r, 400_000, 256),
		"random, then not": append(randomBytes(r, blockSize, 256), text(r, 2*blockSize)...),
		"not, then random": append(text(r, 2*blockSize), randomBytes(r, blockSize, 256)...),
		"two values":       randomBytes(r, 300_000, 2),
		"sixteen values":   randomBytes(r, 300_000, 16),
		"pairs":            bytes.Repeat([]byte{1, 2}, 200_000),
		"text":             text(r, 1_000_000),
		"patches":          patch(r, 1_000_000),
		"large":            patch(r, 3<<20),
	}
	var all []byte
	for v := range 256 {
		all = append(all, bytes.Repeat([]byte{byte(v)}, 700)...)
	}
	plain["all values"] = all
	return plain
}

// TestRoundTrip has what was made read by another program's decoder.
func TestRoundTrip(t *testing.T) {
	for _, e := range []*Encoder{NewEncoder(), NewNear()} {
		r, d := rand.New(rand.NewPCG(1, 2)), newDecoder(t)
		for name, plain := range hostile(r) {
			roundTrip(t, e, d, name, plain)
		}
		for n := range 200 {
			roundTrip(t, e, d, fmt.Sprint("text of ", n), text(r, n))
			roundTrip(t, e, d, fmt.Sprint("patches of ", n), patch(r, n))
			roundTrip(t, e, d, fmt.Sprint("zeros: ", n), make([]byte, n))
		}
		for n := range 50 {
			roundTrip(t, e, d, fmt.Sprint("number ", n), patch(r, r.IntN(1<<r.IntN(19))))
			roundTrip(t, e, d, fmt.Sprint("about a block and ", n), text(r, blockSize-25+n))
		}
	}
}

func roundTrip(t *testing.T, e *Encoder, d *zstd.Decoder, name string, plain []byte) {
	t.Helper()
	frame := e.Append([]byte("before"), plain)
	if len(frame) > len("before")+Bound(len(plain)) {
		t.Fatalf("%s: %d bytes became %d", name, len(plain), len(frame))
	}
	got, err := d.DecodeAll(frame[len("before"):], nil)
	if err != nil {
		t.Fatalf("%s, %d bytes: %v", name, len(plain), err)
	}
	if !bytes.Equal(got, plain) {
		t.Fatalf("%s, %d bytes: something else came back", name, len(plain))
	}
}

// TestNothingIsLeft has an encoder make the same of a plaintext whatever it did
// before.
func TestNothingIsLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	used := NewEncoder()
	for range 50 {
		plain := patch(r, r.IntN(1<<r.IntN(19)))
		if !bytes.Equal(used.Append(nil, plain), NewEncoder().Append(nil, plain)) {
			t.Fatalf("%d bytes: a used encoder makes something else", len(plain))
		}
	}
}

// TestPlacesRunOut lets the numbers of places pass their greatest.
func TestPlacesRunOut(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	e, d := NewEncoder(), newDecoder(t)
	plain := text(r, 200_000)
	want := e.Append(nil, plain)
	e.searcher.base = math.MaxInt32 - MaxPlain - 1000
	for range 3 {
		roundTrip(t, e, d, "text", plain)
		if !bytes.Equal(e.Append(nil, plain), want) {
			t.Error("something else was made")
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	e, plain := NewEncoder(), text(r, 300_000)
	dst := make([]byte, 0, Bound(len(plain)))
	e.Append(dst, plain)
	if n := testing.AllocsPerRun(10, func() { e.Append(dst, plain) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestZstd has the reference program read frames.
func TestZstd(t *testing.T) {
	zstd := tools.Zstd(t)
	r := rand.New(rand.NewPCG(13, 14))
	e := NewEncoder()
	var frames, all []byte
	add := func(plain []byte) {
		frames = e.Append(frames, plain)
		all = append(all, plain...)
	}
	for _, plain := range hostile(r) {
		add(plain)
	}
	for n := range 100 {
		add(patch(r, n))
		add(text(r, r.IntN(1<<r.IntN(19))))
	}
	cmd := exec.CommandContext(t.Context(), zstd, "--decompress", "--stdout")
	cmd.Stdin = bytes.NewReader(frames)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, all) {
		t.Error("something else came back")
	}
}

// fuzzed makes more of a piece that a fuzzer thought of: most of its bytes
// come again, with some that are flipped.
func fuzzed(piece []byte, times uint16, flip uint8) []byte {
	plain := bytes.Repeat(piece, 1+int(times)%64)
	for at := int(flip); flip > 0 && at < len(plain); at += int(flip) * 7 {
		plain[at] ^= flip
	}
	return plain
}

func FuzzRoundTrip(f *testing.F) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, n := range []int{0, 20, 50, 200, 5000} {
		f.Add(patch(r, n), uint16(n), uint8(n))
	}
	e, d := NewEncoder(), newDecoder(f)
	f.Fuzz(func(t *testing.T, piece []byte, times uint16, flip uint8) {
		roundTrip(t, e, d, "made up", fuzzed(piece, times, flip))
	})
}

func BenchmarkAppend(b *testing.B) {
	r := rand.New(rand.NewPCG(17, 18))
	for _, n := range []int{1 << 10, 16 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%d KiB of text", n>>10), func(b *testing.B) {
			e, plain := NewEncoder(), text(r, n)
			dst := make([]byte, 0, Bound(n))
			b.SetBytes(int64(n))
			for b.Loop() {
				e.Append(dst, plain)
			}
		})
	}
}
