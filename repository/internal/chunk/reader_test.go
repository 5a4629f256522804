package chunk

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// countingBuffers lends new buffers and counts those not given back.
type countingBuffers struct {
	lent int
	got  int // calls of Get
}

func (b *countingBuffers) Get(size int) []byte {
	b.lent++
	b.got++
	return make([]byte, 0, size)
}

func (b *countingBuffers) Put([]byte) { b.lent-- }

// readAll returns the lengths of all chunks and their joined content.
func readAll(r *Reader, buffers Buffers) (lengths []int, joined []byte, err error) {
	for {
		chunk, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lengths, joined, nil
		}
		if err != nil {
			return lengths, joined, err
		}
		lengths = append(lengths, len(chunk))
		joined = append(joined, chunk...)
		buffers.Put(chunk)
	}
}

// scatteredReader returns short reads of random sizes.
type scatteredReader struct {
	src     io.Reader
	rng     *rand.Rand
	largest int
}

func (s scatteredReader) Read(p []byte) (int, error) {
	return s.src.Read(p[:min(len(p), 1+s.rng.IntN(s.largest))])
}

func TestReaderCutsAsCutter(t *testing.T) {
	data := randomBytes(9*miB, 11)
	for name, method := range methods(t) {
		buffers := &countingBuffers{}
		r := NewReader(method.NewCutter(), buffers)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			size := rapid.OneOf(rapid.IntRange(0, len(data)), rapid.IntRange(512*kiB-2, 512*kiB+2)).Draw(t, "size")
			largest := rapid.SampledFrom([]int{3000, 100_000, 4 * miB}).Draw(t, "largest read")
			hint := rapid.SampledFrom([]int{-1, 0, 1, size - 1, size, size + 1, 2 * size}).Draw(t, "hint")
			want := lengths(t, method.NewCutter(), data[:size], whole)

			var src io.Reader = bytes.NewReader(data[:size])
			if rapid.Bool().Draw(t, "data with EOF") {
				src = iotest.DataErrReader(src)
			}
			r.Reset(scatteredReader{src, rand.New(rand.NewPCG(uint64(size), 1)), largest}, int64(hint))
			got, joined, err := readAll(r, buffers)
			if err != nil || !slices.Equal(got, want) || !bytes.Equal(joined, data[:size]) {
				t.Fatalf("got %v, %v, want %v", got, err, want)
			}
			if _, err := r.Next(); err != io.EOF { //nolint:errorlint // must be io.EOF itself
				t.Fatalf("after the end: %v", err)
			}
			if buffers.lent != 0 {
				t.Fatalf("%d buffers not given back", buffers.lent)
			}
		}))
	}
}

func TestReaderUsesOneBufferForAShortFile(t *testing.T) {
	buffers := &countingBuffers{}
	r := NewReader(methods(t)["gear"].NewCutter(), buffers)
	r.Reset(bytes.NewReader(make([]byte, 4096)), 4096)
	if _, _, err := readAll(r, buffers); err != nil {
		t.Fatal(err)
	}
	if buffers.got != 1 {
		t.Errorf("%d buffers", buffers.got)
	}
}

// Where the source tells of its end with its last bytes, the last chunk is known
// to be the last.
func TestReaderIsAtEnd(t *testing.T) {
	data := randomBytes(9*miB, 13)
	for name, method := range methods(t) {
		r := NewReader(method.NewCutter(), &countingBuffers{})
		for _, size := range []int{1, 100_000, len(data)} {
			r.Reset(iotest.DataErrReader(bytes.NewReader(data[:size])), int64(size))
			for left := size; left > 0; {
				chunk, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				left -= len(chunk)
				if r.AtEnd() && left > 0 || left == 0 && size < 1*miB && !r.AtEnd() {
					t.Errorf("%s: %d of %d bytes left, at end: %v", name, left, size, r.AtEnd())
				}
			}
		}
		r.Reset(bytes.NewReader(data[:100]), 1000) // says so when it is asked once more
		if _, err := r.Next(); err != nil || !r.AtEnd() {
			t.Errorf("%s: at end: %v, %v", name, r.AtEnd(), err)
		}
	}
}

func TestReaderReportsAFailingSource(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, failure := range map[string]error{
		"plain":         broken,
		"wraps the end": errors.Join(broken, io.EOF),
	} {
		t.Run(name, func(t *testing.T) {
			buffers := &countingBuffers{}
			r := NewReader(methods(t)["gear"].NewCutter(), buffers)
			r.Reset(io.MultiReader(bytes.NewReader(randomBytes(3*miB, 12)), iotest.ErrReader(failure)), -1)
			_, joined, err := readAll(r, buffers)
			if err == nil || errors.Is(err, io.EOF) {
				t.Fatalf("after %d bytes: %v", len(joined), err)
			}
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("second call: %v", again)
			}
			if buffers.lent != 0 {
				t.Errorf("%d buffers not given back", buffers.lent)
			}
		})
	}
}

func TestReaderGivesUpOnASourceWithoutProgress(t *testing.T) {
	buffers := &countingBuffers{}
	r := NewReader(methods(t)["gear"].NewCutter(), buffers)
	r.Reset(stuckReader{}, -1)
	if _, err := r.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Fatal(err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestReleaseGivesTheBufferBack(t *testing.T) {
	buffers := &countingBuffers{}
	r := NewReader(methods(t)["gear"].NewCutter(), buffers)
	r.Reset(bytes.NewReader(randomBytes(6*miB, 13)), -1)
	chunk, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	buffers.Put(chunk)
	r.Release()
	if buffers.lent != 0 {
		t.Errorf("%d buffers not given back", buffers.lent)
	}
}
