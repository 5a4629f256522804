package codec

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// randomBytes returns n bytes that depend on seed only.
func randomBytes(n int, seed uint64) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	data := make([]byte, n)
	rand.NewChaCha8(key).Read(data) //nolint:errcheck // never fails
	return data
}

// text returns n bytes like those of a log.
func text(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	words := []string{"order", "shipped", "pending", "refund", "invoice", "delivery", "address"}
	var out []byte
	for len(out) < n {
		out = fmt.Appendf(out, "%d %s %s %x\n", rng.IntN(100_000), words[rng.IntN(7)], words[rng.IntN(7)], rng.Uint32())
	}
	return out[:n]
}

// zipped returns n bytes of a gzip stream.
func zipped(n int, seed uint64) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	for ; buf.Len() < n; seed++ {
		w.Write(text(1<<20, seed)) //nolint:errcheck // into memory
	}
	return buf.Bytes()[:n]
}

func TestIncompressibleDataIsSeen(t *testing.T) {
	for _, n := range []int{256 << 10, 300_001, 1 << 20, 8 << 20} {
		missed := 0
		for seed := range uint64(50) {
			if !Incompressible(randomBytes(n, seed+uint64(n))) {
				missed++
			}
		}
		if missed > 1 {
			t.Errorf("%d of 50 random blobs of %d bytes taken for compressible", missed, n)
		}
	}
}

func TestCompressibleDataIsSeen(t *testing.T) {
	ramp := make([]byte, 1<<20)
	counters := make([]byte, 1<<20)
	pages := randomBytes(1<<20, 1)
	records := randomBytes(1<<20, 2)
	for i := range ramp {
		ramp[i] = byte(i)
		if i%8 == 0 {
			binary.LittleEndian.PutUint64(counters[i:], uint64(i)*0x10001)
		}
		if i%4096 < 200 {
			pages[i] = 0
		}
		if i%16 < 2 {
			records[i] = 0x40
		}
	}
	random := randomBytes(1<<20, 3)
	for name, plain := range map[string][]byte{
		"empty":            nil,
		"short":            random[:256<<10-1],
		"zeros":            make([]byte, 1<<20),
		"text":             text(1<<20, 1),
		"short text":       text(300_000, 1),
		"base64":           base64.StdEncoding.AppendEncode(nil, random[:700_000]),
		"hex":              hex.AppendEncode(nil, random[:500_000]),
		"ramp":             ramp,
		"counters":         counters,
		"page headers":     pages,
		"record headers":   records,
		"random, text":     slices.Concat(random[:500_000], text(500_000, 2)),
		"text, random":     slices.Concat(text(100_000, 2), random[:900_000]),
		"text in the mid":  slices.Concat(random[:500_000], text(40_000, 2), random[500_000:]),
		"sparse":           slices.Concat(random[:500_000], make([]byte, 30_000), random[500_000:]),
		"twice 35 KB":      slices.Concat(random[:200_000], random[80_000:115_000], random[300_000:800_000]),
		"twice 400 KiB":    slices.Concat(random[:400_000], random[:400_000]),
		"repeated 5 KiB":   bytes.Repeat(random[:5000], 200),
		"repeated 333 B":   bytes.Repeat(random[:333], 900),
		"pages seen twice": everyPageTwice(random),
	} {
		if Incompressible(plain) {
			t.Errorf("%s: taken for incompressible", name)
		}
	}
}

// everyPageTwice returns random pages of 4 KiB, each once more 100 KiB later.
func everyPageTwice(random []byte) []byte {
	var out []byte
	for at := 0; at+200_000 <= len(random); at += 102_400 {
		out = append(out, random[at:at+102_400]...)
		out = append(out, random[at:at+102_400]...)
	}
	return out
}

// What is stored as it is would not have become notably smaller. A single
// repetition of under 3 % may go unseen, and the like of it.
func TestIncompressibleNeverCostsMuchSpace(t *testing.T) {
	c := newCodec(t, Default, 1)
	rapid.Check(t, func(t *rapid.T) {
		var plain []byte
		for range rapid.IntRange(1, 6).Draw(t, "parts") {
			n := rapid.IntRange(20_000, 300_000).Draw(t, "length")
			seed := rapid.Uint64Range(0, 1000).Draw(t, "seed")
			switch rapid.SampledFrom([]string{"random", "text", "gzip", "base64", "zeros", "again"}).Draw(t, "kind") {
			case "random":
				plain = append(plain, randomBytes(n, seed)...)
			case "text":
				plain = append(plain, text(n, seed)...)
			case "gzip":
				plain = append(plain, zipped(n, seed)...)
			case "base64":
				plain = base64.StdEncoding.AppendEncode(plain, randomBytes(n/4*3, seed))
			case "zeros":
				plain = append(plain, make([]byte, n)...)
			case "again":
				plain = append(plain, plain[len(plain)/2:]...)
			}
		}
		if !Incompressible(plain) {
			return
		}
		if frame := c.Compress(nil, plain); len(frame) < len(plain)*95/100 {
			t.Fatalf("%d bytes would have become %d", len(plain), len(frame))
		}
	})
}

func BenchmarkIncompressible(b *testing.B) {
	for _, n := range []int{256 << 10, 1 << 20} {
		for name, plain := range map[string][]byte{"random": randomBytes(n, 1), "text": text(n, 1)} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					Incompressible(plain)
				}
			})
		}
	}
}
