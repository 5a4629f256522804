package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/time/rate"

	"holdfast/internal/postgres"
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

const testPage = 8192

// testPages makes pages as a server writes them, last changed at lsn.
func testPages(first uint32, n int, lsn postgres.LSN) []byte {
	random := rand.New(rand.NewPCG(1, uint64(first)))
	pages := make([]byte, n*testPage)
	for k := range n {
		page := pages[k*testPage : (k+1)*testPage]
		for at := 24; at < testPage; at += 8 {
			binary.NativeEndian.PutUint64(page[at:], random.Uint64())
		}
		binary.NativeEndian.PutUint32(page, uint32(lsn>>32))
		binary.NativeEndian.PutUint32(page[4:], uint32(lsn))
		binary.NativeEndian.PutUint16(page[pageUpperAt:], 100)
		binary.NativeEndian.PutUint16(page[pageChecksumAt:], pageChecksum(page, first+uint32(k)))
	}
	return pages
}

// openedFile is an open file that yields what was read of it at that moment.
type openedFile struct {
	io.Reader
	size int64
}

func (f openedFile) Close() error              { return nil }
func (f openedFile) Entry() source.Entry       { return source.Entry{Size: f.size} }
func (f openedFile) Node() (*tree.Node, error) { return nil, errors.ErrUnsupported }
func (f openedFile) Check() error              { return nil }

// readLocal reads a relation whose file on disk has other content than what
// is read first.
func readLocal(t *testing.T, name string, firstRead, onDisk []byte, size int64) (*Local, []byte) {
	t.Helper()
	place := filepath.Join(t.TempDir(), "relation")
	if err := os.WriteFile(place, onDisk, 0o600); err != nil {
		t.Fatal(err)
	}
	l := &Local{session: &session{checksums: true, blockBytes: testPage, segmentBlocks: 131072}, limiter: rate.NewLimiter(rate.Inf, bufferBytes)}
	l.Start = 1000
	f := l.content(t.Context(), name, place, openedFile{bytes.NewReader(firstRead), size})
	got, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return l, got
}

// A page that was read while the server wrote it is read again.
func TestTornPage(t *testing.T) {
	whole := testPages(131072, 40, 500)
	torn := bytes.Clone(whole)
	clear(torn[17*testPage+4096 : 18*testPage])
	l, got := readLocal(t, "base/5/16384.1", torn, whole, int64(len(torn)))
	if l.Damaged || !bytes.Equal(got, whole) {
		t.Errorf("damaged: %t; as on disk: %t", l.Damaged, bytes.Equal(got, whole))
	}
	if len(l.sums) != 1 || l.sums[0].size != int64(len(whole)) {
		t.Errorf("the manifest would list %+v", l.sums)
	}
}

// A page that stays bad is bad, but if it was written after the backup began:
// then the log has it whole.
func TestBadPage(t *testing.T) {
	for name, test := range map[string]struct {
		file    string
		first   uint32
		spoil   func(page []byte)
		damaged bool
	}{
		"bit":                 {"base/5/16384", 0, func(p []byte) { p[5000] ^= 1 }, true},
		"second file":         {"base/5/16384.1", 131072, func(p []byte) { p[5000] ^= 1 }, true},
		"checksum":            {"global/1262", 0, func(p []byte) { p[pageChecksumAt]++ }, true},
		"written later":       {"base/5/16384", 0, func(p []byte) { binary.NativeEndian.PutUint32(p[4:], 1000) }, false},
		"just before":         {"base/5/16384", 0, func(p []byte) { binary.NativeEndian.PutUint32(p[4:], 999) }, true},
		"never used":          {"base/5/16384", 0, func(p []byte) { clear(p) }, false},
		"unused, not empty":   {"base/5/16384", 0, func(p []byte) { p[pageUpperAt], p[pageUpperAt+1] = 0, 0 }, true},
		"of another relation": {"pg_xact/0000", 0, func(p []byte) { p[5000] ^= 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			pages := testPages(test.first, 20, 500)
			test.spoil(pages[7*testPage : 8*testPage])
			l, got := readLocal(t, test.file, pages, pages, int64(len(pages)))
			if l.Damaged != test.damaged || !bytes.Equal(got, pages) {
				t.Errorf("damaged: %t; as on disk: %t", l.Damaged, bytes.Equal(got, pages))
			}
			if test.damaged && (len(l.damaged.pages) != 1 || l.damaged.pages[0].Block != test.first+7 || l.damaged.pages[0].File != test.file) {
				t.Errorf("it is told as %+v", l.damaged.pages)
			}
		})
	}
}

// A relation that gets shorter while it is read has empty pages where the log
// will say that there are none; other files have what was found.
func TestShrinkingFile(t *testing.T) {
	pages := testPages(0, 30, 500)
	l, got := readLocal(t, "base/5/16384", pages[:20*testPage+100], pages, int64(len(pages)))
	want := append(bytes.Clone(pages[:20*testPage+100]), make([]byte, 10*testPage-100)...)
	if l.Damaged || len(got) != len(want) || !bytes.Equal(got[21*testPage:], want[21*testPage:]) {
		t.Errorf("damaged %t, %d bytes", l.Damaged, len(got))
	}
	if l, got = readLocal(t, "postgresql.conf", []byte("port = 1"), nil, 100); string(got) != "port = 1" || len(l.sums) != 1 || l.sums[0].size != 8 {
		t.Errorf("read %q, listed %+v", got, l.sums)
	}
	// What grows is read up to the length it had.
	if _, got = readLocal(t, "base/5/16384", pages, pages, 20*testPage); !bytes.Equal(got, pages[:20*testPage]) {
		t.Errorf("%d bytes of a relation that grows", len(got))
	}
}

// Names decide as those of pg_basebackup do.
func TestLeavesOut(t *testing.T) {
	f := walkedFolder{database: true, initForks: initForks([]string{"16400", "16400_init", "16401"})}
	for name, want := range map[string]bool{
		"16384": false, "16384.1": false, "16384_fsm": false, "16384_vm.2": false, "pg_filenode.map": false, "PG_VERSION": false,
		"pg_internal.init": true, "pg_internal.init.123": true, "pgsql_tmp1.2": true, "postmaster.pid": true, "backup_label": true, "backup_label.old": false,
		"t3_16390": true, "t12_16390_fsm.1": true, "t3_x": false, "tx_16390": false, "t_16390": false,
		"16400": true, "16400.1": true, "16400_fsm": true, "16400_init": false, "16401": false, "16384_x": false, "16384.x": false,
	} {
		if got := f.leavesOut(name); got != want {
			t.Errorf("%s is left out: %t", name, got)
		}
	}
	for name, want := range map[string]bool{
		"base/5": true, "global": false, "base/pgsql_tmp": false, "pg_tblspc/16500/PG_15_202209061/5": true,
		"pg_tblspc/16500/PG_15_202209061": false, "pg_tblspc/16500": false, "base": false, "other/5": false, "base/5/6": false,
	} {
		if got := isDatabase(name); got != want {
			t.Errorf("%s is a database: %t", name, got)
		}
	}
}

// A file system has a clock of its own.
func TestApart(t *testing.T) {
	from, to := source.Time{Sec: 100}.Time(), source.Time{Sec: 110}.Time()
	for sec, want := range map[int64]int64{99: 1, 100: 0, 105: 0, 110: 0, 3710: 3600} {
		if got := apart(source.Time{Sec: sec}.Time(), from, to); int64(got.Seconds()) != want {
			t.Errorf("%d is %v apart", sec, got)
		}
	}
}
