package logarchive

import (
	"bytes"
	"errors"
	"os/exec"
	"testing"

	"holdfast/storage"
)

// Frames are one behind the other: zstd reads them as one file, whatever their
// number.
func TestFramesAreReadByZstd(t *testing.T) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Fatalf("%v: install it with tools/deps.sh test", err)
	}
	f, err := newFramer(func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	text := segmentLike(1)
	for _, size := range []int{0, 1, 100, frameBytes - 1, frameBytes, frameBytes + 1, 5*frameBytes + 7} {
		var frames bytes.Buffer
		if _, err := f.writeTo(t.Context(), &frames, storage.Bytes(text[:size])); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(zstd, "-dc")
		cmd.Stdin = &frames
		if got, err := cmd.Output(); err != nil || !bytes.Equal(got, text[:size]) {
			t.Errorf("%d bytes come back as %d, %v", size, len(got), err)
		}
	}
}

// An encoder that makes mistakes costs time, and no log.
func TestMistakesOfTheEncoder(t *testing.T) {
	var told []error
	f, err := newFramer(func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	right, text := f.compress, segmentLike(2)[:frameBytes]
	for n, wrong := range []func(dst, plain []byte) []byte{
		func(dst, _ []byte) []byte { return append(dst, "nonsense"...) },
		func(dst, plain []byte) []byte { return right(dst, plain[1:]) },
		func(dst, plain []byte) []byte { return append(right(dst, plain), right(nil, plain[:10])...) },
		func(dst, plain []byte) []byte {
			return right(dst, append([]byte("another"), plain[len("another"):]...))
		},
	} {
		f.compress = wrong
		var frames bytes.Buffer
		if _, err := f.writeTo(t.Context(), &frames, storage.Bytes(text)); err != nil {
			t.Fatalf("mistake %d: %v", n, err)
		}
		again, err := f.prover.DecodeAll(frames.Bytes(), make([]byte, 0, frameBytes))
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("mistake %d is in the archive: %v", n, err)
		}
		if len(told) != n+1 || !errors.Is(told[n], errMadeAgain) || !errors.Is(told[n], errLost) {
			t.Errorf("mistake %d: told of %v", n, told)
		}
	}
}

// A machine that gets nothing right archives nothing.
func TestNothingIsWrittenThatDoesNotComeBack(t *testing.T) {
	f, err := newFramer(func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	f.again = make([]byte, 0, frameBytes/2) // no decoder can put the plaintext there
	var frames bytes.Buffer
	if _, err := f.writeTo(t.Context(), &frames, storage.Bytes(segmentLike(3)[:frameBytes])); !errors.Is(err, errLost) || frames.Len() > 0 {
		t.Errorf("%d bytes are written, %v", frames.Len(), err)
	}
}
