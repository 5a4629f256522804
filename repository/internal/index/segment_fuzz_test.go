package index

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// FuzzSegment opens segments whose checksums are right and whose content is
// anything: what is opened must be safe to use.
func FuzzSegment(f *testing.F) {
	dir, made := f.TempDir(), madeFiles(1, 1)
	x, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	defer x.Close() //nolint:errcheck
	if err := x.Sync(f.Context(), made.live(), made.load); err != nil {
		f.Fatal(err)
	}
	s := x.current.Load().segments[0]
	f.Add(uint32(s.entries), uint32(s.header.rows), uint32(s.header.files), s.fanoutBits, []byte(s.data[headerSize:]))
	f.Add(uint32(0), uint32(0), uint32(0), uint32(0), make([]byte, 2*fanoutSize))
	f.Fuzz(func(t *testing.T, entries, rows, files, fanoutBits uint32, body []byte) {
		h := header{
			entries: uint64(entries), rows: uint64(rows), files: uint64(files), fanoutBits: fanoutBits,
			body: checksum(body),
		}
		path := filepath.Join(t.TempDir(), "forged"+segmentSuffix)
		if err := os.WriteFile(path, append(h.encode(), body...), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSegment(path)
		if err != nil {
			return
		}
		defer s.close()
		v := newView([]*segment{s})
		g := newGrouper(v, nil)
		if len(g.packs) > 0 {
			g.collect(0, len(g.packs))
		}
		v.find(blob.Handle{})
		v.find(blob.Handle{ID: id.ID{0xff, 0xff, 0xff, 0xff}, Type: blob.Tree})
		for i := range s.len() {
			v.find(v.at(i).Handle)
		}
	})
}
