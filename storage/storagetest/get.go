package storagetest

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"holdfast/storage"
)

func testRanges(t *testing.T, s storage.Store) {
	data := randomBytes(4, 10_000)
	put(t, s, "data/bb/bb01", data)
	put(t, s, "empty", nil)

	tests := []struct {
		name           string
		key            string
		offset, length int64
		want           []byte
		err            error
	}{
		{"whole", "data/bb/bb01", 0, -1, data, nil},
		{"whole by its length", "data/bb/bb01", 0, 10_000, data, nil},
		{"any negative length", "data/bb/bb01", 4000, -77, data[4000:], nil},
		{"lowest length", "data/bb/bb01", 4000, math.MinInt64, data[4000:], nil},
		{"first byte", "data/bb/bb01", 0, 1, data[:1], nil},
		{"middle", "data/bb/bb01", 5000, 300, data[5000:5300], nil},
		{"last byte", "data/bb/bb01", 9999, 1, data[9999:], nil},
		{"zero length", "data/bb/bb01", 0, 0, nil, nil},
		{"zero length in the middle", "data/bb/bb01", 5000, 0, nil, nil},
		{"zero length at the end", "data/bb/bb01", 10_000, 0, nil, nil},
		{"rest at the end", "data/bb/bb01", 10_000, -1, nil, nil},
		{"begins past the end", "data/bb/bb01", 10_001, -1, nil, storage.ErrInvalidRange},
		{"zero length past the end", "data/bb/bb01", 10_001, 0, nil, storage.ErrInvalidRange},
		{"bytes past the end", "data/bb/bb01", 20_000, 5, nil, storage.ErrInvalidRange},
		{"begins past everything", "data/bb/bb01", math.MaxInt64, 1, nil, storage.ErrInvalidRange},
		{"negative offset", "data/bb/bb01", -1, 5, nil, storage.ErrInvalidRange},
		{"one byte too many", "data/bb/bb01", 0, 10_001, nil, io.ErrUnexpectedEOF},
		{"ends past the end", "data/bb/bb01", 9000, 2000, nil, io.ErrUnexpectedEOF},
		{"a byte at the end", "data/bb/bb01", 10_000, 1, nil, io.ErrUnexpectedEOF},
		{"longest length", "data/bb/bb01", 1, math.MaxInt64, nil, io.ErrUnexpectedEOF},
		{"empty object", "empty", 0, -1, nil, nil},
		{"nothing of an empty object", "empty", 0, 0, nil, nil},
		{"a byte of an empty object", "empty", 0, 1, nil, io.ErrUnexpectedEOF},
		{"past an empty object", "empty", 1, -1, nil, storage.ErrInvalidRange},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := read(t, s, test.key, test.offset, test.length)
			if !errors.Is(err, test.err) || (err != nil && test.err == nil) {
				t.Fatalf("Get(%d, %d) = %v, want %v", test.offset, test.length, err, test.err)
			}
			if err == nil && !bytes.Equal(got, test.want) {
				t.Errorf("Get(%d, %d) gives %d bytes that differ from the %d wanted",
					test.offset, test.length, len(got), len(test.want))
			}
		})
	}
}

// read returns the range, or the error of Get or of Read, whichever came.
func read(t *testing.T, s storage.Store, key string, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := s.Get(t.Context(), key, offset, length)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close of the reader: %v", err)
		}
	}()
	return io.ReadAll(r)
}

func testSmallReads(t *testing.T, s storage.Store) {
	data := randomBytes(5, 3000)
	put(t, s, "data/bb/bb02", data)
	r, err := s.Get(t.Context(), "data/bb/bb02", 500, 2000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(iotest.OneByteReader(r))
	if err != nil || !bytes.Equal(got, data[500:2500]) {
		t.Errorf("byte by byte: %d bytes, err %v, want the 2000 stored ones", len(got), err)
	}
	if n, err := r.Read(make([]byte, 8)); n != 0 || err != io.EOF {
		t.Errorf("Read after the end = %d, %v, want 0, io.EOF", n, err)
	}
}

func testIndependentReaders(t *testing.T, s storage.Store) {
	data := randomBytes(6, 2000)
	put(t, s, "data/bb/bb03", data)
	a, err := s.Get(t.Context(), "data/bb/bb03", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := s.Get(t.Context(), "data/bb/bb03", 1000, -1)
	if err != nil {
		t.Fatal(err)
	}
	// Closing a reader before its end is allowed and disturbs no other.
	if err := b.Close(); err != nil {
		t.Errorf("Close before the end: %v", err)
	}
	if got, err := io.ReadAll(a); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the other reader gives %d bytes, err %v", len(got), err)
	}
}

func testMissing(t *testing.T, s storage.Store) {
	put(t, s, "data/bb/bb04", []byte("x"))
	put(t, s, "config", []byte("x"))
	// A part of a key is no object, and neither is anything below one.
	for _, key := range []string{"nothing", "data", "data/bb", "data/bb/bb", "data/bb/bb045", "config/below"} {
		wantAbsent(t, s, key)
		if err := s.Delete(t.Context(), key); err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Delete(%q) = %v, want ErrNotFound, or nil from a service that does not tell", key, err)
		}
	}
	wantObject(t, s, "data/bb/bb04", []byte("x"))
}

func testDelete(t *testing.T, s storage.Store) {
	put(t, s, "data/bb/bb05", []byte("x"))
	put(t, s, "data/bb/bb06", []byte("y"))
	if err := s.Delete(t.Context(), "data/bb/bb05"); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "data/bb/bb05")
	wantObject(t, s, "data/bb/bb06", []byte("y"))
	if err := s.Delete(t.Context(), "data/bb/bb05"); err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("second Delete = %v, want ErrNotFound, or nil from a service that does not tell", err)
	}
	// The last one below a prefix: nothing may be left of the prefix.
	if err := s.Delete(t.Context(), "data/bb/bb06"); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("List of an emptied store = %q", got)
	}
}
