package chunk

import (
	"slices"
	"testing"
)

func TestFixed(t *testing.T) {
	for _, test := range []struct {
		bytes, size int
		want        []int
	}{
		{0, 8, nil},
		{7, 8, []int{7}},
		{8, 8, []int{8}},
		{25, 8, []int{8, 8, 8, 1}},
	} {
		for piece := 1; piece < 30; piece += 3 {
			got := lengths(t, Fixed(test.size).NewCutter(), make([]byte, test.bytes), func() int { return piece })
			if !slices.Equal(got, test.want) {
				t.Errorf("%d bytes in pieces of %d are cut to %v, want %v", test.bytes, piece, got, test.want)
			}
		}
	}
}
