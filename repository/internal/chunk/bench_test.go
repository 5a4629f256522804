package chunk

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/restic/chunker"
)

// benchPolynomial is the one restic's own tests use.
const benchPolynomial = Polynomial(0x3DA3358B4DC173)

// randomBytes returns n bytes that depend on seed only.
func randomBytes(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	data := make([]byte, n)
	rand.NewChaCha8(key).Read(data) //nolint:errcheck // never fails
	return data
}

func BenchmarkCutters(b *testing.B) {
	data := randomBytes(64*miB, 1)
	rabin, err := NewRabin(benchPolynomial)
	if err != nil {
		b.Fatal(err)
	}
	for name, method := range map[string]Method{"gear": NewGear([32]byte{1}), "rabin": rabin} {
		b.Run(name, func(b *testing.B) {
			c := method.NewCutter()
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				c.Reset()
				for rest := data; len(rest) > 0; {
					n, _ := c.Next(rest)
					rest = rest[n:]
				}
			}
		})
	}
	b.Run("restic", func(b *testing.B) {
		buf := make([]byte, 0, rabinMaxSize)
		c := chunker.New(nil, chunker.Pol(benchPolynomial))
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			c.Reset(bytes.NewReader(data), chunker.Pol(benchPolynomial))
			for {
				_, err := c.Next(buf)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
