package crc32c_test

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/crc32c"
)

// The check value that catalogues of checksums give.
func TestOf(t *testing.T) {
	if got := crc32c.Of([]byte("123456789")); got != 0xe3069283 {
		t.Errorf("got %08x", got)
	}
}

// A checksum can be made of an earlier one by taking parts out and putting
// others in, whatever the lengths.
func TestReplaceParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) //nolint:gosec // test data
		was := noise(r, rapid.IntRange(0, 5000).Draw(t, "was"))
		is := noise(r, rapid.IntRange(0, 5000).Draw(t, "is"))
		cut := rapid.IntRange(1, 700).Draw(t, "cut")
		stays := make([]bool, len(was)/cut+1)
		for k := range stays {
			from, to := k*cut, (k+1)*cut
			if stays[k] = to <= min(len(was), len(is)) && r.IntN(3) > 0; stays[k] {
				copy(is[from:to], was[from:to])
			}
		}
		sum := crc32c.Whole(crc32c.Of(was), int64(len(was)))
		for k, end := range ends(was, cut) {
			if !stays[k] {
				sum ^= crc32c.Shift(crc32c.Part(was[k*cut:end]), int64(len(was)-end))
			}
		}
		sum = crc32c.Shift(sum, int64(len(is)-len(was)))
		for k, end := range ends(is, cut) {
			if k >= len(stays) || !stays[k] {
				sum ^= crc32c.Shift(crc32c.Part(is[k*cut:end]), int64(len(is)-end))
			}
		}
		if got, want := crc32c.Whole(sum, int64(len(is))), crc32c.Of(is); got != want {
			t.Fatalf("%d bytes become %d, cut every %d: %08x instead of %08x", len(was), len(is), cut, got, want)
		}
	})
}

// ends returns where the parts of a content end.
func ends(content []byte, cut int) (list []int) {
	for from := 0; from < len(content); from += cut {
		list = append(list, min(from+cut, len(content)))
	}
	return list
}

// Shifts of a segment of a relation, and beyond the order of x, and back.
func TestShift(t *testing.T) {
	for _, bytes := range []int64{0, 1, 8192, 1 << 30, 1<<31 - 1, 1 << 40, 1<<62 + 12345} {
		sum := crc32c.Part([]byte("hello"))
		if got := crc32c.Shift(crc32c.Shift(sum, bytes), -bytes); got != sum {
			t.Errorf("%d bytes there and back: %08x instead of %08x", bytes, got, sum)
		}
	}
	long := append([]byte("hello"), make([]byte, 1<<20)...)
	if got, want := crc32c.Whole(crc32c.Shift(crc32c.Part([]byte("hello")), 1<<20), int64(len(long))), crc32c.Of(long); got != want {
		t.Errorf("%08x instead of %08x", got, want)
	}
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(r.Uint32())
	}
	return b
}
