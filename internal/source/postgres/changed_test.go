package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/crc32c"
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// madeEarlier is an earlier backup that has a manifest and nothing else.
type madeEarlier string

func (madeEarlier) Start() time.Time { return time.Time{} }

func (madeEarlier) Folder(context.Context, string) (map[string]*tree.Node, error) { return nil, nil }

func (e madeEarlier) Read(context.Context, string) ([]byte, error) {
	if e == "" {
		return nil, fs.ErrNotExist
	}
	return []byte(e), nil
}

// aManifest returns one that can be built on.
func aManifest() *manifest {
	return &manifest{
		Version: 2, System: 7_500_000_000_000_000_001,
		Files: []manifestFile{
			{Path: "PG_VERSION", Size: 3, Modified: "2026-03-01 02:00:00 GMT", Algorithm: "SHA256", Checksum: "00"},
			{Path: "base/5/1259", Size: 8192, Modified: "2026-03-01 02:00:00 GMT", Algorithm: "CRC32C", Checksum: "00112233"},
			{EncodedPath: "ff00", Size: 1, Modified: "2026-03-01 02:00:00 GMT"},
		},
		Ranges: []walRange{{Timeline: 3, Start: "0/2000028", End: "0/2000100"}},
	}
}

func TestEarlierManifest(t *testing.T) {
	for name, test := range map[string]struct {
		change func(m *manifest)
		spoil  func(content string) string
		why    string
	}{
		"good":             {},
		"none":             {spoil: func(string) string { return "" }, why: "has no manifest"},
		"damaged":          {spoil: func(c string) string { return strings.Replace(c, "8192", "8193", 1) }, why: "of no use"},
		"cut short":        {spoil: func(c string) string { return c[:len(c)/2] }, why: "of no use"},
		"old":              {change: func(m *manifest) { m.Version = 1 }, why: "cannot send only"},
		"another cluster":  {change: func(m *manifest) { m.System++ }, why: "of another cluster"},
		"another timeline": {change: func(m *manifest) { m.Ranges[0].Timeline = 2 }, why: "was on 2 at"},
		"other checksums":  {change: func(m *manifest) { m.Files[1].Algorithm = "SHA256" }, why: "no CRC32C checksum of base/5/1259"},
		"impossible name":  {change: func(m *manifest) { m.Files[2].EncodedPath = "zz" }, why: "of no use"},
	} {
		t.Run(name, func(t *testing.T) {
			m := aManifest()
			if test.change != nil {
				test.change(m)
			}
			content := string(m.encode())
			if test.spoil != nil {
				content = test.spoil(content)
			}
			c := changes{earlier: madeEarlier(content)}
			why, err := c.readManifest(t.Context(), "7500000000000000001", "3")
			if err != nil || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("refused because %q, %v", why, err)
			}
			if _, ok := c.files["\xff\x00"]; why == "" && (!ok || len(c.files) != 3) {
				t.Errorf("files %v", c.files)
			}
		})
	}
}

// fileOfChanges makes a file as servers send it.
func fileOfChanges(magic, keep uint32, padded bool, blocks ...uint32) []byte {
	var b []byte
	for _, n := range slices.Concat([]uint32{magic, uint32(len(blocks)), keep}, blocks) { //nolint:gosec // test data
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	if padded && len(blocks) > 0 {
		b = append(b, make([]byte, 8192-len(b)%8192)...)
	}
	return append(b, make([]byte, 8192*len(blocks))...)
}

func TestChangedHead(t *testing.T) {
	for name, test := range map[string]struct {
		file  []byte
		size  int64
		keep  int64
		wrong string
	}{
		"nothing changed": {file: fileOfChanges(changedMagic, 12, true), size: 12, keep: 12},
		"some":            {file: fileOfChanges(changedMagic, 12, true, 0, 7, 11), size: 12, keep: 12},
		"grown since":     {file: fileOfChanges(changedMagic, 5, true, 3, 8), size: 9, keep: 5},
		// As earlier releases of 17 say of relations with several files.
		"kept too long": {file: fileOfChanges(changedMagic, 200_000, true, 5), size: 131_072, keep: 131_072},
		"magic":         {file: fileOfChanges(1, 12, true), wrong: "no file of changes"},
		"order":         {file: fileOfChanges(changedMagic, 12, true, 5, 4), wrong: "block 4 comes out of order"},
		"twice":         {file: fileOfChanges(changedMagic, 12, true, 5, 5), wrong: "block 5 comes out of order"},
		"beyond":        {file: fileOfChanges(changedMagic, 12, true, 131_072), wrong: "out of order"},
		"not padded":    {file: fileOfChanges(changedMagic, 12, false, 5), wrong: "bytes arrive for 1 blocks"},
		"cut short":     {file: fileOfChanges(changedMagic, 12, true)[:10], wrong: "cut short"},
		"empty":         {wrong: "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			c := changes{blockBytes: 8192, segmentBlocks: 131_072}
			r := bytes.NewReader(test.file)
			head, err := c.readChangedHead(r, int64(len(test.file)))
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if head.size() != test.size || head.keep != test.keep || r.Len() != 8192*len(head.blocks) {
				t.Errorf("%d blocks, %d kept, %d bytes follow", head.size(), head.keep, r.Len())
			}
		})
	}
}

// A server refuses to start with a label that speaks of changes.
func TestChangedLabel(t *testing.T) {
	const whole = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nSTART TIMELINE: 1\n"
	b := &Backup{changes: &changes{composed: map[string]composedFile{}}}
	a := &source.Arrival{Content: strings.NewReader(whole + "INCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: 1\n")}
	if err := b.changedLabel(a); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(a.Content); err != nil || got.String() != whole || a.Node.Size != uint64(len(whole)) {
		t.Errorf("%v, %d bytes:\n%s", err, a.Node.Size, &got)
	}
	if sum := b.changes.composed[labelName].crc; sum != crc32c.Of([]byte(whole)) {
		t.Errorf("its checksum is %08x", sum)
	}
}
