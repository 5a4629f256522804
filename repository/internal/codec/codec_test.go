package codec

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

func newCodec(t testing.TB, level Level, workers int) *Codec {
	t.Helper()
	c, err := New(level, workers)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecompressIsTheInverseOfCompress(t *testing.T) {
	for level := range Level(len(levelNames)) {
		c := newCodec(t, level, 1)
		for _, plain := range [][]byte{nil, {1}, text(100, 1), text(5000, 1), text(3<<20, 1), randomBytes(1<<20, 1), make([]byte, 8<<20)} {
			frame := c.Compress([]byte("before"), plain)
			if len(frame) > len("before")+c.Bound(len(plain)) {
				t.Errorf("%s: %d bytes became %d", level, len(plain), len(frame))
			}
			got, err := c.Decompress([]byte("before"), frame[len("before"):], len(plain))
			if err != nil || string(got) != "before"+string(plain) {
				t.Errorf("%s: %d bytes: %v", level, len(plain), err)
			}
		}
	}
}

// TestLookNear has rows of a table compressed to no more than by looking
// everywhere.
func TestLookNear(t *testing.T) {
	near, far := newCodec(t, Default, 1), newCodec(t, Default, 1)
	near.LookNear()
	var rows []byte
	for n := range 2000 {
		rows = fmt.Appendf(rows, "%08d\x00%x delivered to street %d\x00\x18\x08", n, n*n*2654435761, n*7919%900)
	}
	plain := rows[:64<<10]
	frame := near.Compress(nil, plain)
	if got, err := far.Decompress(nil, frame, len(plain)); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("something else came back: %v", err)
	}
	if most := len(far.Compress(nil, plain)); len(frame) > most {
		t.Errorf("%d bytes, and %d by looking everywhere", len(frame), most)
	}
}

func TestFramesHoldTheirLengthAndNoChecksum(t *testing.T) {
	c := newCodec(t, Default, 1)
	for _, n := range []int{2000, 100_000, 3 << 20} {
		var h zstd.Header
		if err := h.Decode(c.Compress(nil, text(n, 1))); err != nil {
			t.Fatal(err)
		}
		if !h.HasFCS || h.FrameContentSize != uint64(n) || h.HasCheckSum || h.WindowSize > quickWindowSize && !h.SingleSegment {
			t.Errorf("%d bytes: %+v", n, h)
		}
	}
}

func TestDecompressReadsFramesWithoutLength(t *testing.T) {
	c := newCodec(t, Default, 1)
	for _, plain := range [][]byte{text(1000, 1), text(1<<20, 1), randomBytes(1<<20, 1), make([]byte, 1<<20)} {
		frame := streamed(t, plain)
		got, err := c.Decompress([]byte("before"), frame, len(plain))
		if err != nil || string(got) != "before"+string(plain) {
			t.Errorf("%d bytes: %v", len(plain), err)
		}
		got, err = c.DecodeUnpacked(append([]byte{compressedMark}, frame...), 2<<20)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("unpacked, %d bytes: %v", len(plain), err)
		}
	}
}

func TestDecompressRefusesOtherLengths(t *testing.T) {
	c := newCodec(t, Default, 1)
	bomb := c.Compress(nil, make([]byte, 64<<20))
	unsized := streamed(t, make([]byte, 64<<20))
	two := append(c.Compress(nil, text(600, 1)), c.Compress(nil, text(600, 1))...)
	for name, frame := range map[string][]byte{
		"bomb": bomb, "bomb of unknown length": unsized, "two frames": two,
		"shorter": c.Compress(nil, text(999, 1)), "longer": c.Compress(nil, text(1001, 1)),
		"empty": nil, "nonsense": []byte("nonsense"), "truncated": c.Compress(nil, text(1000, 1))[:100],
	} {
		dst := make([]byte, 0, 1<<20) // room enough for more: must not be used
		for i := range dst[:cap(dst)] {
			dst[:cap(dst)][i] = 0xa5
		}
		got, err := c.Decompress(dst, frame, 1000)
		if !errors.Is(err, ErrDamaged) || len(got) != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if beyond := dst[:cap(dst)][1000+Slack:]; !bytes.Equal(beyond, bytes.Repeat([]byte{0xa5}, len(beyond))) {
			t.Errorf("%s: wrote beyond the promised length", name)
		}
	}
}

// streamed returns a frame without a content size, as some writers make.
func streamed(t testing.TB, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{plain[:len(plain)/2], plain[len(plain)/2:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool is not itself under the race detector")
	}
	c := newCodec(t, Default, 1)
	plain, large := text(100_000, 1), randomBytes(1<<20, 1)
	frame := c.Compress(nil, plain)
	dst := make([]byte, 0, c.Bound(len(plain)))
	for name, f := range map[string]func(){
		"compress":       func() { dst = c.Compress(dst[:0], plain) },
		"decompress":     func() { dst, _ = c.Decompress(dst[:0], frame, len(plain)) },
		"incompressible": func() { Incompressible(large) },
	} {
		f()
		if n := testing.AllocsPerRun(50, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestMemoryOfTwoWorkers(t *testing.T) {
	plain := text(4<<20, 1)
	before := liveBytes()
	c := newCodec(t, Default, 2)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			frame := c.Compress(nil, plain)
			if _, err := c.Decompress(nil, frame, len(plain)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	held := int64(liveBytes()) - int64(before)
	t.Logf("two workers hold %.1f MiB", float64(held)/(1<<20))
	if held > 25<<20 {
		t.Errorf("two workers hold %d bytes", held)
	}
	runtime.KeepAlive(c)
	runtime.KeepAlive(plain)
}

func liveBytes() uint64 {
	runtime.GC()
	runtime.GC() // what a sync.Pool holds survives the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestUnpacked(t *testing.T) {
	c := newCodec(t, Default, 1)
	rapid.Check(t, func(t *rapid.T) {
		json := append([]byte("{"), rapid.SliceOf(rapid.Byte()).Draw(t, "json")...)
		got, err := c.DecodeUnpacked(c.EncodeUnpacked(nil, json), len(json))
		if err != nil || !bytes.Equal(got, json) {
			t.Fatalf("got %q, %v", got, err)
		}
	})
	large := append([]byte{compressedMark}, streamed(t, make([]byte, 1<<20))...)
	sized := c.EncodeUnpacked(nil, make([]byte, 1<<20))
	lying := append([]byte{compressedMark}, 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0) // promises 1 TiB
	for name, c2 := range map[string]struct {
		stored []byte
		limit  int
		length int
		want   error
	}{
		"raw object":        {[]byte(`{"a":1}`), 100, 7, nil},
		"raw array":         {[]byte(`[]`), 100, 2, nil},
		"raw too large":     {[]byte(`{"a":1}`), 6, 0, ErrTooLarge},
		"unsized":           {large, 1 << 20, 1 << 20, nil},
		"unsized too large": {large, 1<<20 - 1, 0, ErrDamaged},
		"sized too large":   {sized, 1<<20 - 1, 0, ErrTooLarge},
		"promise too large": {lying, 1 << 30, 0, ErrTooLarge},
		"empty":             {nil, 100, 0, ErrUnpacked},
		"other version":     {[]byte{3, 1, 2}, 100, 0, ErrUnpacked},
		"mark only":         {[]byte{compressedMark}, 100, 0, ErrDamaged},
		"nonsense":          {[]byte("\x02nonsense"), 100, 0, ErrDamaged},
	} {
		got, err := c.DecodeUnpacked(c2.stored, c2.limit)
		if !errors.Is(err, c2.want) || len(got) != c2.length {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestLevelNames(t *testing.T) {
	for _, name := range []string{"auto", "off", "fastest", "better", "max"} {
		level, err := ParseLevel(name)
		if err != nil || level.String() != name {
			t.Errorf("%s: %s, %v", name, level, err)
		}
	}
	if _, err := ParseLevel("best"); !errors.Is(err, ErrLevel) {
		t.Error(err)
	}
}

func FuzzDecompress(f *testing.F) {
	c := newCodec(f, Default, 1)
	f.Add(c.Compress(nil, text(1000, 1)), 1000)
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd}, 0)
	f.Fuzz(func(t *testing.T, frame []byte, n int) {
		n = int(uint(n) % (1 << 20))
		if got, err := c.Decompress(nil, frame, n); err == nil && len(got) != n {
			t.Errorf("%d bytes, want %d", len(got), n)
		}
		c.DecodeUnpacked(frame, n) //nolint:errcheck // must not panic
	})
}

func BenchmarkCodec(b *testing.B) {
	c := newCodec(b, Default, 1)
	for _, n := range []int{4 << 10, 1 << 20} {
		for name, plain := range map[string][]byte{"random": randomBytes(n, 1), "text": text(n, 1)} {
			frame := c.Compress(nil, plain)
			dst := make([]byte, 0, c.Bound(n)+1<<18)
			b.Run(fmt.Sprintf("compress/%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					dst = c.Compress(dst[:0], plain)
				}
			})
			b.Run(fmt.Sprintf("decompress/%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					dst, _ = c.Decompress(dst[:0], frame, n)
				}
			})
		}
	}
}
