package pack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// fakeSeal surrounds the plaintext by as many bytes as sealing adds.
func fakeSeal(dst, plain []byte) []byte {
	dst = append(dst, bytes.Repeat([]byte{0xaa}, blob.Overhead/2)...)
	dst = append(dst, plain...)
	return append(dst, bytes.Repeat([]byte{0xbb}, blob.Overhead/2)...)
}

// fakeSealer is fakeSeal, which does not fail.
func fakeSealer(dst, plain []byte) ([]byte, error) { return fakeSeal(dst, plain), nil }

func fakeOpen(dst, sealed []byte) ([]byte, error) {
	if len(sealed) < blob.Overhead {
		return nil, errors.New("too short")
	}
	return append(dst, sealed[blob.Overhead/2:len(sealed)-blob.Overhead/2]...), nil
}

func rangesOf(pack []byte, requests *int) RangeReader {
	return func(_ context.Context, offset, length int64) (io.ReadCloser, error) {
		*requests++
		return io.NopCloser(bytes.NewReader(pack[offset : offset+length])), nil
	}
}

// build makes a pack of n blobs with lengths and types that vary with i.
func build(t *testing.T, n int) (packed []byte, name id.ID, blobs []blob.Blob) {
	t.Helper()
	var out bytes.Buffer
	b := NewBuilder(&out, MaxSize)
	for i := range n {
		plain := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		h := blob.Handle{ID: id.Hash(plain), Type: blob.Tree}
		sealed := fakeSeal(nil, bytes.Repeat(plain, i%7))
		if err := b.Add(h, sealed, uint32(i%3)); err != nil {
			t.Fatal(err)
		}
	}
	size := b.Size()
	name, blobs, err := b.Finish(fakeSealer)
	if err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != size {
		t.Fatalf("pack has %d bytes, Size said %d", out.Len(), size)
	}
	return out.Bytes(), name, blobs
}

func TestReadHeaderReturnsWhatWasBuilt(t *testing.T) {
	for _, c := range []struct{ blobs, requests int }{{1, 1}, {2, 1}, {380, 1}, {500, 2}, {5000, 2}} {
		packed, name, blobs := build(t, c.blobs)
		if name != id.Hash(packed) {
			t.Errorf("%d blobs: the name is not the hash of the pack", c.blobs)
		}
		if err := CheckLayout(int64(len(packed)), blobs); err != nil {
			t.Error(err)
		}
		requests := 0
		got, err := ReadHeader(t.Context(), rangesOf(packed, &requests), int64(len(packed)), 2, fakeOpen)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].Pack = name
		}
		if !slices.Equal(got, blobs) {
			t.Errorf("%d blobs: header differs from what was added", c.blobs)
		}
		if requests != c.requests {
			t.Errorf("%d blobs: %d requests instead of %d", c.blobs, requests, c.requests)
		}
	}
}

func TestReadHeaderOfDamagedPack(t *testing.T) {
	packed, _, _ := build(t, 3)
	lengthAt := len(packed) - lengthSize
	for name, damage := range map[string]func([]byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"cut short":          func(p []byte) []byte { return p[:len(p)-1] },
		"a byte too many":    func(p []byte) []byte { return append([]byte{0}, p...) },
		"header length zero": func(p []byte) []byte { clear(p[lengthAt:]); return p },
		"header length huge": func(p []byte) []byte { p[lengthAt+3] = 0xff; return p },
		"length beyond pack": func(p []byte) []byte { p[lengthAt+1]++; return p },
		"length one less":    func(p []byte) []byte { p[lengthAt]--; return p },
	} {
		p := damage(bytes.Clone(packed))
		requests := 0
		if _, err := ReadHeader(t.Context(), rangesOf(p, &requests), int64(len(p)), 2, fakeOpen); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v instead of ErrDamaged", name, err)
		}
	}
}

func TestReadHeaderPassesErrorsOn(t *testing.T) {
	packed, _, _ := build(t, 1)
	broken := errors.New("broken")
	requests := 0
	_, err := ReadHeader(t.Context(), rangesOf(packed, &requests), int64(len(packed)), 2,
		func(_, _ []byte) ([]byte, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v instead of the opener's error", err)
	}
	_, err = ReadHeader(t.Context(), func(context.Context, int64, int64) (io.ReadCloser, error) { return nil, broken },
		int64(len(packed)), 2, fakeOpen)
	if !errors.Is(err, broken) {
		t.Errorf("got %v instead of the store's error", err)
	}
}

func TestDecodeHeaderRefusesNonsense(t *testing.T) {
	entry := func(b blob.Blob) []byte { return EncodeHeader([]blob.Blob{b}) }
	good := blob.Blob{Location: blob.Location{Length: 40, PlainLength: 9}}
	badType := entry(good)
	badType[0] = 4
	noContent := entry(good)
	clear(noContent[5:9])
	short := entry(blob.Blob{Location: blob.Location{Length: blob.Overhead - 1}})
	long := entry(blob.Blob{Location: blob.Location{Length: math.MaxUint32}})
	for name, c := range map[string]struct {
		plain   []byte
		version uint
	}{
		"no entry":            {nil, 2},
		"unknown type":        {badType, 2},
		"compressed in v1":    {entry(good), 1},
		"compressed, empty":   {noContent, 2},
		"shorter than a seal": {short, 2},
		"cut entry":           {entry(good)[:PlainEntrySize], 2},
		"rest after an entry": {append(entry(good), 0), 2},
		"longer than 4 GiB":   {slices.Concat(long, long), 2},
		"header too long":     {make([]byte, MaxHeaderSize), 2},
	} {
		if _, err := DecodeHeader(c.plain, c.version); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v instead of ErrDamaged", name, err)
		}
	}
}

func TestCheckLayout(t *testing.T) {
	at := func(offset, length uint32) blob.Blob {
		return blob.Blob{Location: blob.Location{Offset: offset, Length: length}}
	}
	const one = PlainEntrySize
	for name, c := range map[string]struct {
		size  int64
		blobs []blob.Blob
		ok    bool
	}{
		"exact":           {Overhead + 2*one + 90, []blob.Blob{at(0, 40), at(40, 50)}, true},
		"one byte more":   {Overhead + 2*one + 91, []blob.Blob{at(0, 40), at(40, 50)}, false},
		"one byte less":   {Overhead + 2*one + 89, []blob.Blob{at(0, 40), at(40, 50)}, false},
		"gap":             {Overhead + 2*one + 91, []blob.Blob{at(0, 40), at(41, 50)}, false},
		"overlap":         {Overhead + 2*one + 89, []blob.Blob{at(0, 40), at(39, 50)}, false},
		"begins late":     {Overhead + one + 41, []blob.Blob{at(1, 40)}, false},
		"wrong order":     {Overhead + 2*one + 90, []blob.Blob{at(40, 50), at(0, 40)}, false},
		"listed twice":    {Overhead + 2*one + 80, []blob.Blob{at(0, 40), at(0, 40)}, false},
		"offset overflow": {Overhead + 2*one + 40, []blob.Blob{at(0, math.MaxUint32), at(math.MaxUint32, 41)}, false},
	} {
		if err := CheckLayout(c.size, c.blobs); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBuilderLimits(t *testing.T) {
	h := blob.Handle{Type: blob.Data}
	sealed := fakeSeal(nil, []byte("content"))

	b := NewBuilder(io.Discard, 100)
	if b.Full() || b.Add(h, sealed, 0) != nil || !b.Full() {
		t.Error("a pack is full exactly when it has reached its target")
	}
	if b.Add(blob.Handle{Type: blob.Tree}, sealed, 0) == nil {
		t.Error("a tree was added to a pack of data")
	}
	if b.Add(h, sealed[:blob.Overhead-1], 0) == nil {
		t.Error("unsealed bytes were added")
	}

	b = NewBuilder(io.Discard, MaxSize)
	b.offset = MaxSize - Overhead - PlainEntrySize - int64(len(sealed))
	if err := b.Add(h, sealed, 0); err != nil {
		t.Errorf("a pack of exactly MaxSize: %v", err)
	}
	if err := b.Add(h, sealed, 0); !errors.Is(err, ErrFull) {
		t.Errorf("a pack beyond MaxSize: %v", err)
	}

	b = NewBuilder(io.Discard, MaxSize)
	b.entries = maxPlainHeader - PlainEntrySize
	if err := b.Add(h, sealed, 1); !errors.Is(err, ErrFull) {
		t.Errorf("a header beyond its limit: %v", err)
	}
	if err := b.Add(h, sealed, 0); err != nil || !b.Full() {
		t.Errorf("a header of exactly its limit: %v, full %v", err, b.Full())
	}
}

func TestBuilderIsLostAfterFailedWrite(t *testing.T) {
	broken := errors.New("disk full")
	b := NewBuilder(failingWriter{broken}, MaxSize)
	if err := b.Add(blob.Handle{}, fakeSeal(nil, nil), 0); !errors.Is(err, broken) {
		t.Errorf("Add: %v", err)
	}
	if _, _, err := b.Finish(fakeSealer); !errors.Is(err, broken) {
		t.Errorf("Finish: %v", err)
	}
	if _, _, err := NewBuilder(io.Discard, MaxSize).Finish(fakeSealer); err == nil {
		t.Error("an empty pack was finished")
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestHeaderLaw(t *testing.T) {
	blobOf := rapid.Custom(func(t *rapid.T) blob.Blob {
		return blob.Blob{
			Handle: blob.Handle{
				ID:   id.Hash(rapid.SliceOf(rapid.Byte()).Draw(t, "content")),
				Type: blob.Type(rapid.IntRange(0, 1).Draw(t, "type")),
			},
			Location: blob.Location{
				Length:      rapid.Uint32Range(blob.Overhead, 8<<20).Draw(t, "length"),
				PlainLength: rapid.Uint32().Draw(t, "plain length"),
			},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		blobs := rapid.SliceOfN(blobOf, 1, 50).Draw(t, "blobs")
		var offset uint32
		for i := range blobs {
			blobs[i].Offset = offset
			offset += blobs[i].Length
		}
		got, err := DecodeHeader(EncodeHeader(blobs), 2)
		if err != nil || !slices.Equal(got, blobs) {
			t.Fatalf("decoded %v, %v", got, err)
		}
		if err := CheckLayout(int64(offset)+HeaderSize(blobs), got); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	f.Add([]byte{}, uint(2))
	f.Add(EncodeHeader([]blob.Blob{
		{Location: blob.Location{Length: 50}},
		{Handle: blob.Handle{Type: blob.Tree}, Location: blob.Location{Length: 60, PlainLength: 70}},
	}), uint(2))
	f.Fuzz(func(t *testing.T, plain []byte, version uint) {
		blobs, err := DecodeHeader(plain, version)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("unmarked error %v", err)
			}
			return
		}
		if !bytes.Equal(EncodeHeader(blobs), plain) {
			t.Fatal("encoding the blobs again gives other bytes")
		}
		last := blobs[len(blobs)-1]
		if err := CheckLayout(int64(last.Offset)+int64(last.Length)+HeaderSize(blobs), blobs); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecodeHeader(b *testing.B) {
	blobs := make([]blob.Blob, 4000)
	for i := range blobs {
		blobs[i].Length, blobs[i].PlainLength = 4096, 9000
	}
	plain := EncodeHeader(blobs)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if _, err := DecodeHeader(plain, 2); err != nil {
			b.Fatal(err)
		}
	}
}
