package compress

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced are pages that may be used, between two that may not.
func fenced(t *testing.T, pages int) []byte {
	t.Helper()
	page := os.Getpagesize()
	all, err := unix.Mmap(-1, 0, (pages+2)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	last := (pages + 1) * page
	if err := errors.Join(unix.Mprotect(all[:page], unix.PROT_NONE), unix.Mprotect(all[last:], unix.PROT_NONE)); err != nil {
		t.Fatal(err)
	}
	return all[page:last:last]
}

// TestDecoderStaysInside reads damaged frames that begin, or end, where there is
// no memory, to where there is none behind what may be written: whatever reaches
// for it ends the test program.
func TestDecoderStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(37, 38))
	in, out := fenced(t, 8), fenced(t, 8)
	for _, d := range []*Decoder{NewDecoder(), makeDecoder(false)} {
		for name, f := range damagedFrames(t, r) {
			frame, n := f[0], len(f[1])
			if len(frame) > len(in) || n+Slack > len(out) {
				continue
			}
			for at := range frame {
				for _, memory := range [][]byte{in[:len(frame)], in[len(in)-len(frame):]} {
					copy(memory, frame)
					memory[at] ^= byte(1 + r.IntN(255))
					dst := out[len(out)-n-Slack:]
					if _, err := d.Append(dst[:0], memory, n); err != nil && !errors.Is(err, ErrNotRead) {
						t.Fatalf("%s: %v", name, err)
					}
					if _, err := d.Append(dst[:0], memory[len(memory)-at:], n); err == nil && at < len(frame) {
						t.Logf("%s: the last %d bytes are a frame as well", name, at)
					}
				}
			}
		}
	}
}
