package scrypt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/scrypt"
)

// TestVectors are those of RFC 7914, section 12.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		password, salt string
		n, r, p        int
		want           string
	}{
		{"", "", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
		{"password", "NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
		{"pleaseletmein", "SodiumChloride", 16384, 8, 1, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
	} {
		got, err := Key([]byte(v.password), []byte(v.salt), v.n, v.r, v.p, 64)
		if err != nil || hex.EncodeToString(got) != v.want {
			t.Errorf("n=%d r=%d p=%d: %x, %v; want %s", v.n, v.r, v.p, got, err, v.want)
		}
	}
}

// TestLikeTheOther holds every number of runs, each way to mix and all small
// parameters to golang.org/x/crypto.
func TestLikeTheOther(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := 2; n <= 64; n *= 2 {
		for r := 1; r <= 9; r++ {
			for p := 1; p <= 10; p++ {
				password, salt := make([]byte, random.IntN(100)), make([]byte, random.IntN(100))
				for _, b := range [][]byte{password, salt} {
					for k := range b {
						b[k] = byte(random.Uint32())
					}
				}
				length := 1 + random.IntN(100)
				want, err := scrypt.Key(password, salt, n, r, p, length)
				if err != nil {
					t.Fatal(err)
				}
				for k, way := range waysToMix() {
					got, err := derive(way, password, salt, n, r, p, length)
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("way %d, n=%d r=%d p=%d: %x, %v; want %x", k, n, r, p, got, err, want)
					}
				}
			}
		}
	}
}

// TestKeysThatDiffer has nothing sealed with a key that others would not derive.
func TestKeysThatDiffer(t *testing.T) {
	want, err := ProvenKey([]byte("password"), []byte("NaCl"), 16, 1, 3, 64)
	if again, keyErr := Key([]byte("password"), []byte("NaCl"), 16, 1, 3, 64); err != nil || keyErr != nil || !bytes.Equal(want, again) {
		t.Errorf("%x, %v; want %x, %v", want, err, again, keyErr)
	}
	wrong := func(password, salt []byte, n, r, p, length int) ([]byte, error) {
		key, err := scrypt.Key(password, salt, n, r, p, length)
		key[length-1] ^= 1
		return key, err
	}
	if key, err := provenBy(wrong, []byte("password"), []byte("NaCl"), 16, 1, 3, 64); !errors.Is(err, errUnlike) {
		t.Errorf("%x, %v; want %v", key, err, errUnlike)
	}
}

func TestInvalid(t *testing.T) {
	for _, v := range [][3]int{{0, 8, 1}, {1, 8, 1}, {3, 8, 1}, {16, 0, 1}, {16, 1, 0}, {16, -1, 1}, {16, 1 << 20, 1 << 20}} {
		if key, err := Key(nil, nil, v[0], v[1], v[2], 32); err == nil {
			t.Errorf("%v: %x", v, key)
		}
	}
}

func TestWidth(t *testing.T) {
	for p, want := range map[int]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 3, 6: 3, 7: 4, 8: 4, 9: 3} {
		if got := width(p); got != want {
			t.Errorf("%d runs: %d at once, want %d", p, got, want)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	ways := map[string]func(password, salt []byte, n, r, p, length int) ([]byte, error){"x": scrypt.Key}
	for k, way := range waysToMix() {
		ways[fmt.Sprint("way", k)] = func(password, salt []byte, n, r, p, length int) ([]byte, error) {
			return derive(way, password, salt, n, r, p, length)
		}
	}
	for name, key := range ways {
		for _, p := range []int{1, 3, 5} {
			b.Run(fmt.Sprintf("%s/p=%d", name, p), func(b *testing.B) {
				for b.Loop() {
					if _, err := key([]byte("secret"), make([]byte, 64), 1<<15, 8, p, 64); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
