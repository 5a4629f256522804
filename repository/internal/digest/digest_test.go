package digest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"holdfast/repository/id"
)

func randomBytes(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	r.Read(b) //nolint:errcheck // it never fails
	return b
}

// TestOf holds every length around the ends of blocks, in company of every
// other, to the standard library.
func TestTwo(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	all := randomBytes(r, 400)
	var dst []id.ID
	var hasher Hasher
	for x := range 200 {
		for y := range 200 {
			// Neither begins where words do.
			p, q := all[1:1+x], all[201-y%3:][:y]
			dst = hasher.Of(dst, [][]byte{p, q})
			if dst[0] != id.Hash(p) || dst[1] != id.Hash(q) {
				t.Fatalf("%d and %d bytes: %s, %s; want %s, %s", x, y, dst[0], dst[1], id.Hash(p), id.Hash(q))
			}
		}
	}
}

func TestMany(t *testing.T) {
	r := rand.NewChaCha8([32]byte{2})
	lengths := rand.New(r)
	var dst []id.ID
	var hasher Hasher
	for range 300 {
		var messages [][]byte
		for range lengths.IntN(20) {
			messages = append(messages, randomBytes(r, lengths.IntN(1<<lengths.IntN(18))))
		}
		dst = hasher.Of(dst, messages)
		if len(dst) != len(messages) {
			t.Fatalf("%d IDs of %d messages", len(dst), len(messages))
		}
		for n, m := range messages {
			if dst[n] != id.Hash(m) {
				t.Fatalf("message %d of %d, %d bytes: %s, want %s", n, len(messages), len(m), dst[n], id.Hash(m))
			}
		}
	}
}

func TestHasherAllocatesNothing(t *testing.T) {
	messages := [][]byte{make([]byte, 100), make([]byte, 5000), nil}
	dst := make([]id.ID, 0, len(messages))
	var hasher Hasher
	if n := testing.AllocsPerRun(10, func() { dst = hasher.Of(dst, messages) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHasher(f *testing.F) {
	f.Add([]byte("abc"), []byte(""), uint16(64))
	f.Fuzz(func(t *testing.T, x, y []byte, cut uint16) {
		z := bytes.Repeat(x, 3)
		z = z[:min(int(cut), len(z))]
		for n, got := range new(Hasher).Of(nil, [][]byte{x, y, z}) {
			if want := sha256.Sum256([][]byte{x, y, z}[n]); got != want {
				t.Errorf("message %d: %s, want %x", n, got, want)
			}
		}
	})
}

func BenchmarkHasher(b *testing.B) {
	for _, size := range []int{300, 4 << 10, 1 << 20} {
		for _, count := range []int{1, 2} {
			b.Run(fmt.Sprintf("%d of %d bytes", count, size), func(b *testing.B) {
				messages := make([][]byte, count)
				for n := range messages {
					messages[n] = make([]byte, size)
				}
				var dst []id.ID
				var hasher Hasher
				b.SetBytes(int64(count * size))
				for b.Loop() {
					dst = hasher.Of(dst, messages)
				}
			})
		}
	}
}
