package logarchive

import (
	"bytes"
	"errors"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"holdfast/repository/compress"
	"holdfast/storage"
)

// sealed is a payload, what it holds, and what opens it.
type sealed struct {
	payload  []byte
	plain    []byte
	record   *Record
	identity age.Identity
}

func sealPlain(t *testing.T, plain []byte) sealed {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var payload bytes.Buffer
	s := newSealer([]age.Recipient{identity.Recipient()}, func(err error) { t.Error(err) })
	digest, err := s.seal(t.Context(), &payload, storage.Bytes(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed{payload.Bytes(), plain, &Record{SHA256: digest, SizeBytes: int64(len(plain))}, identity}
}

// opener returns one with a decoder of the test's, which tells of its mistakes.
func (s sealed) opener(told *[]error, d decoder) *opener {
	o := newOpener([]age.Identity{s.identity}, func(err error) { *told = append(*told, err) })
	o.newDecoder = nil
	if d != nil {
		o.newDecoder = func() decoder { return d }
	}
	return o
}

func (s sealed) open(t *testing.T, o *opener) {
	t.Helper()
	var opened bytes.Buffer
	if err := o.open(t.Context(), &opened, s.payload, s.record); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(opened.Bytes(), s.plain) {
		t.Fatal("it opens to something else")
	}
}

// A decoder that makes mistakes costs time, and no log; a frame that it leaves to
// others is no mistake.
func TestMistakesOfTheDecoder(t *testing.T) {
	s := sealPlain(t, segmentLike(4))
	right := compress.NewDecoder().Append
	changed := func(dst, frame []byte, n int) ([]byte, error) {
		dst, err := right(dst, frame, n)
		dst[len(dst)-1]++
		return dst, err
	}
	refusing := func(dst, frame []byte, n int) ([]byte, error) { return right(dst, frame[:len(frame)-1], n) }
	leaving := func(dst, frame []byte, n int) ([]byte, error) { return right(dst, append(bytes.Clone(frame), 1), n) }
	for name, c := range map[string]struct {
		decode decoder
		tells  int
	}{
		"right": {right, 0}, "the library's": {nil, 0}, "changed": {changed, 2}, "refusing": {refusing, 2}, "leaving": {leaving, 0},
		"short": {func(dst, _ []byte, _ int) ([]byte, error) { return dst, nil }, 2},
	} {
		var told []error
		o := s.opener(&told, c.decode)
		s.open(t, o)
		s.open(t, o)
		if len(told) != c.tells {
			t.Errorf("%s: told of %v", name, told)
		}
		for _, err := range told {
			if !errors.Is(err, errOpenedAgain) {
				t.Errorf("%s: told of %v", name, err)
			}
		}
	}
}

// What was archived in other frames, by the library or by zstd, is opened as well.
func TestFramesOfOthersAreOpened(t *testing.T) {
	plain := segmentLike(5)
	s := sealPlain(t, plain)
	for name, options := range map[string][]zstd.EOption{
		"one frame": nil, "without checksum": {zstd.WithEncoderCRC(false)}, "one segment": {zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false)},
	} {
		e, err := zstd.NewWriter(nil, options...)
		if err != nil {
			t.Fatal(err)
		}
		var streamed bytes.Buffer
		e.Reset(&streamed)
		if _, err := e.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		for kind, frames := range map[string][]byte{"whole": e.EncodeAll(plain, nil), "streamed": streamed.Bytes(), "with none behind": append(e.EncodeAll(plain, nil), 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)} {
			var payload bytes.Buffer
			w, err := age.Encrypt(&payload, s.identity.(*age.X25519Identity).Recipient())
			if err == nil {
				_, err = w.Write(frames)
			}
			if err = errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			var told []error
			o := newOpener([]age.Identity{s.identity}, func(err error) { told = append(told, err) })
			sealed{payload.Bytes(), plain, s.record, s.identity}.open(t, o)
			if len(told) > 0 {
				t.Errorf("%s, %s: told of %v", name, kind, told)
			}
		}
	}
}

// A payload that holds something else than its record says is damaged, however
// the two differ, and whoever finds it out.
func TestOtherPlaintextsAreRefused(t *testing.T) {
	s := sealPlain(t, segmentLike(6))
	other := sealPlain(t, append(segmentLike(6)[1:], 'x'))
	for name, r := range map[string]Record{
		"other bytes": *other.record, "shorter": {SHA256: s.record.SHA256, SizeBytes: s.record.SizeBytes - 1}, "longer": {SHA256: s.record.SHA256, SizeBytes: s.record.SizeBytes + 1},
		"none": {SHA256: s.record.SHA256}, "less than none": {SHA256: s.record.SHA256, SizeBytes: -1}, "much": {SHA256: s.record.SHA256, SizeBytes: maxUnpackedBytes + 1},
	} {
		for _, d := range []decoder{nil, compress.NewDecoder().Append} {
			var told []error
			err := s.opener(&told, d).open(t.Context(), new(bytes.Buffer), s.payload, &r)
			if !errors.Is(err, ErrCorrupt) || len(told) > 0 {
				t.Errorf("%s: %v, told of %v", name, err, told)
			}
		}
	}
}
