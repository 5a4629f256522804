package postgres_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/postgres"
)

func TestFileNames(t *testing.T) {
	for name, want := range map[string]postgres.FileName{
		"000000010000000000000003":                 {Timeline: 1, Low: 3},
		"0000000A0000001600000B37":                 {Timeline: 10, High: 0x16, Low: 0xB37},
		"000000010000000000000003.partial":         {Kind: postgres.PartialFile, Timeline: 1, Low: 3},
		"0000000B.history":                         {Kind: postgres.HistoryFile, Timeline: 11},
		"000000010000000000000003.00000028.backup": {Kind: postgres.BackupFile, Timeline: 1, Low: 3, Offset: 0x28},
	} {
		got, err := postgres.ParseFileName(name)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
		if got.String() != name {
			t.Errorf("%s is written %s", name, got)
		}
	}
	for _, name := range []string{
		"", "x", "00000001000000000000000", "0000000100000000000000030", "00000001000000000000000g", "00000001000000000000000a",
		"000000010000000000000003.part", "1.history", "../0000000B.history", "000000010000000000000003.28.backup", "RECOVERYXLOG",
	} {
		if f, err := postgres.ParseFileName(name); err == nil {
			t.Errorf("%q is taken for %+v", name, f)
		}
	}
}

// The segment at a position begins at or before it and ends after it.
func TestSegmentAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := int64(1) << rapid.IntRange(20, 30).Draw(t, "size")
		at := postgres.LSN(rapid.Uint64().Draw(t, "position"))
		f := postgres.SegmentAt(rapid.Uint32().Draw(t, "timeline"), at, size)
		start := f.Start(size)
		if start > at || uint64(at-start) >= uint64(size) || uint64(start)%uint64(size) != 0 {
			t.Fatalf("the segment of %v begins at %v", at, start)
		}
		again, err := postgres.ParseFileName(f.String())
		if err != nil || again != f {
			t.Fatalf("%v is read back as %v, %v", f, again, err)
		}
		parsed, err := postgres.ParseLSN(at.String())
		if err != nil || parsed != at {
			t.Fatalf("%v is read back as %v, %v", at, parsed, err)
		}
	})
}

func TestHistory(t *testing.T) {
	got, err := postgres.ParseHistory([]byte("1\t0/3000148\tno recovery target specified\n\n# a comment\n2\t0/5000000\tbefore 2000-01-01\n"))
	want := []postgres.Branch{{Timeline: 1, At: 0x3000148, Reason: "no recovery target specified"}, {Timeline: 2, At: 0x5000000, Reason: "before 2000-01-01"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"1\n", "x\t0/1\n", "1\tnowhere\n", "2\t0/2\n1\t0/3\n", "1\t0/5\n2\t0/4\n"} {
		if got, err := postgres.ParseHistory([]byte(bad)); err == nil {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

func TestSegmentHeader(t *testing.T) {
	page := make([]byte, 64)
	le := binary.LittleEndian
	le.PutUint16(page, 0xD110)
	le.PutUint16(page[2:], 2)
	le.PutUint32(page[4:], 3)
	le.PutUint64(page[8:], 0x16_0300_0000)
	le.PutUint64(page[24:], 7300000000000000001)
	le.PutUint32(page[32:], 16<<20)
	le.PutUint32(page[36:], 8192)
	h, err := postgres.ParseSegmentHeader(page)
	want := postgres.SegmentHeader{Timeline: 3, Start: 0x16_0300_0000, System: 7300000000000000001, SegmentBytes: 16 << 20}
	if err != nil || h != want {
		t.Errorf("got %+v, %v", h, err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"short":         func(b []byte) []byte { return b[:39] },
		"magic":         func(b []byte) []byte { b[1] = 0; return b },
		"short header":  func(b []byte) []byte { b[2] = 0; return b },
		"segment size":  func(b []byte) []byte { b[32] = 1; return b },
		"zeros (empty)": func([]byte) []byte { return make([]byte, 64) },
	} {
		if _, err := postgres.ParseSegmentHeader(damage(slices.Clone(page))); !errors.Is(err, postgres.ErrNotWAL) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
