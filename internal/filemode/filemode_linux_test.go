package filemode

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Package os is the judge of types, and chmod's bits survive a round trip.
func TestFromKernelIsToKernelReversed(t *testing.T) {
	for m := range uint32(0o10000) {
		if got := ToKernel(FromKernel(m | unix.S_IFREG)); got != m {
			t.Fatalf("%o became %o", m, got)
		}
	}
	for _, path := range []string{"/", "/dev/null", "/proc/self/exe", "/proc/self/status"} {
		want, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		if got := FromKernel(st.Mode); got != want.Mode() {
			t.Errorf("%s: %v, want %v", path, got, want.Mode())
		}
	}
}
