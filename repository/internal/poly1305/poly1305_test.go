package poly1305

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	//lint:ignore SA1019 see poly1305.go
	"golang.org/x/crypto/poly1305"
)

// keys are random ones, and such as bring limbs to their greatest.
func keys(r *rand.ChaCha8) [][32]byte {
	keys := make([][32]byte, 12)
	for k := range keys[4:] {
		r.Read(keys[4+k][:]) //nolint:errcheck // it never fails
	}
	keys[1] = [32]byte(bytes.Repeat([]byte{0xff}, 32))
	keys[2] = [32]byte{0: 1}
	keys[3] = [32]byte{15: 0xff, 31: 0xff}
	return keys
}

// TestLikeTheOther holds every length of some hundred blocks, of random bytes
// and of such as make the greatest sums, to golang.org/x/crypto.
func TestLikeTheOther(t *testing.T) {
	r := rand.NewChaCha8([32]byte{3})
	random := make([]byte, 2000)
	r.Read(random) //nolint:errcheck // it never fails
	messages := [][]byte{random, make([]byte, 2000), bytes.Repeat([]byte{0xff}, 2000), bytes.Repeat([]byte{0xfb, 0xff}, 1000)}
	for _, key := range keys(r) {
		for _, m := range messages {
			for n := range len(m) {
				compare(t, m[:n], &key)
			}
		}
	}
}

func compare(t *testing.T, message []byte, key *[32]byte) {
	t.Helper()
	var want, got [16]byte
	poly1305.Sum(&want, message, key)
	Sum(&got, message, key)
	if inGroups() && len(message) >= groupBytes {
		sum(&got, message, key)
	}
	if got != want {
		t.Fatalf("key %x, %d bytes: %x, want %x", *key, len(message), got, want)
	}
}

// TestEnds has the sum end at and about 2^130 - 5 and 2^130: the number that a
// message comes to with r = 1 is the sum of its blocks.
func TestEnds(t *testing.T) {
	key := [32]byte{0: 1}
	for blocks := groupBytes / blockBytes; blocks < 40; blocks++ {
		for last := range 256 {
			m := bytes.Repeat([]byte{0xff}, blocks*blockBytes)
			m[0], m[len(m)-blockBytes] = byte(last), byte(255-last/2)
			compare(t, m, &key)
		}
	}
}

// TestVector is the one of RFC 8439, section 2.5.2.
func TestVector(t *testing.T) {
	key, _ := hex.DecodeString("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
	var tag [16]byte
	Sum(&tag, []byte("Cryptographic Forum Research Group"), (*[32]byte)(key))
	if got := hex.EncodeToString(tag[:]); got != "a8061dc1305136c6c22b8baf0c0127a9" {
		t.Error(got)
	}
}

func TestSumAllocatesNothing(t *testing.T) {
	message, key, tag := make([]byte, 5000), [32]byte{1}, new([16]byte)
	if n := testing.AllocsPerRun(10, func() { Sum(tag, message, &key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSum(f *testing.F) {
	f.Add(make([]byte, 32), bytes.Repeat([]byte("abc"), 100))
	f.Fuzz(func(t *testing.T, key, message []byte) {
		var k [32]byte
		copy(k[:], key)
		compare(t, message, &k)
	})
}

func BenchmarkSum(b *testing.B) {
	for _, size := range []int{256, 512, 1 << 10, 4 << 10, 1 << 20} {
		for name, by := range map[string]func(*[16]byte, []byte, *[32]byte){"here": sum, "x": poly1305.Sum} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				message, key, tag := make([]byte, size), [32]byte{1}, new([16]byte)
				b.SetBytes(int64(size))
				for b.Loop() {
					by(tag, message, &key)
				}
			})
		}
	}
}
