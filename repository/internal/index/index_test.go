package index

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// files stands for the index files of a repository: what each one says.
type files map[id.ID][]Pack

func (f files) live() []id.ID {
	var live []id.ID
	for i := range f {
		live = append(live, i)
	}
	return live
}

func (f files) load(_ context.Context, i id.ID) ([]byte, error) {
	packs, ok := f[i]
	if !ok {
		return nil, errors.New("no such file")
	}
	return Encode(packs), nil
}

// fatalf is what testing.T and rapid.T have in common here.
type fatalf interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check compares everything an index tells with the files.
func (f files) check(t fatalf, x *Index) {
	t.Helper()
	locations := map[blob.Handle][]blob.Location{}
	packs := map[id.ID][]blob.Blob{}
	entries := 0
	for _, list := range f {
		for _, p := range list {
			packs[p.ID] = append(packs[p.ID], p.Blobs...)
			for _, b := range p.Blobs {
				entries++
				if !slices.Contains(locations[b.Handle], b.Location) {
					locations[b.Handle] = append(locations[b.Handle], b.Location)
				}
			}
		}
	}
	if x.Len() != entries {
		t.Fatalf("%d entries instead of %d", x.Len(), entries)
	}
	f.checkLookups(t, x, locations)
	f.checkPositions(t, x, locations)
	f.checkPacks(t, x, packs)
	if got, want := id.NewSet(x.Files()...), f.live(); len(got) != len(want) {
		t.Fatalf("%d index files instead of %d", len(got), len(want))
	}
}

func (f files) checkLookups(t fatalf, x *Index, locations map[blob.Handle][]blob.Location) {
	t.Helper()
	for h, want := range locations {
		one, ok := x.Lookup(h)
		if !ok || !x.Has(h) || !slices.Contains(want, one) {
			t.Fatalf("Lookup(%s): %v, %v", h, one, ok)
		}
		got := x.LookupAll(nil, h)
		if len(got) != len(want) || slices.ContainsFunc(want, func(l blob.Location) bool { return !slices.Contains(got, l) }) {
			t.Fatalf("LookupAll(%s): %v instead of %v", h, got, want)
		}
	}
	for n := range 40 {
		h := blob.Handle{ID: madeID(madeBlobKind, n), Type: blob.Type(n % 2)}
		if _, want := locations[h]; x.Has(h) != want {
			t.Fatalf("Has(%s) is %v", h, !want)
		}
	}
}

func (f files) checkPositions(t fatalf, x *Index, locations map[blob.Handle][]blob.Location) {
	t.Helper()
	position := 0
	for b := range x.All() {
		if x.At(position) != b {
			t.Fatalf("At(%d) is not what All gives", position)
		}
		if !slices.Contains(locations[b.Handle], b.Location) {
			t.Fatalf("All gives %v", b)
		}
		p, ok := x.Position(b.Handle)
		if !ok || x.At(p).Handle != b.Handle {
			t.Fatalf("Position(%s) is %d, %v", b.Handle, p, ok)
		}
		position++
	}
	if position != x.Len() {
		t.Fatalf("All gives %d entries of %d", position, x.Len())
	}
}

func (f files) checkPacks(t fatalf, x *Index, packs map[id.ID][]blob.Blob) {
	t.Helper()
	var visited []id.ID
	err := x.ByPack(context.Background(), nil, func(pack id.ID, blobs []blob.Blob) error {
		visited = append(visited, pack)
		want := slices.Clone(packs[pack])
		distinct := map[blob.Blob]bool{}
		for _, b := range want {
			distinct[b] = true
		}
		if len(blobs) != len(distinct) {
			return fmt.Errorf("pack %s has %d blobs instead of %d", pack.Short(), len(blobs), len(distinct))
		}
		for _, b := range blobs {
			if !distinct[b] {
				return fmt.Errorf("pack %s has %v", pack.Short(), b)
			}
		}
		if !slices.IsSortedFunc(blobs, func(a, b blob.Blob) int { return cmp.Compare(a.Offset, b.Offset) }) {
			return fmt.Errorf("blobs of pack %s are out of order", pack.Short())
		}
		return nil
	})
	if err != nil {
		t.Fatalf("ByPack: %v", err)
	}
	if len(visited) != len(packs) || !slices.IsSortedFunc(visited, id.ID.Compare) {
		t.Fatalf("ByPack visits %d packs instead of %d, or not in their order", len(visited), len(packs))
	}
	if !slices.Equal(slices.Collect(x.Packs()), visited) {
		t.Fatalf("Packs and ByPack differ")
	}
}

// TestIndexLaw: whatever happens, the index maps what the index files hold.
func TestIndexLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "index-law-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck
		if rapid.Bool().Draw(t, "private") {
			dir = ""
		}
		open := func() *Index {
			x, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		model := files{}
		x := open()
		defer func() { x.Close() }() //nolint:errcheck
		next := 0
		newFile := func() (id.ID, []Pack) {
			next++
			return madeID(madeIndexKind, next), rapid.SliceOfN(drawPack(6), 0, 4).Draw(t, "packs")
		}
		sync := func(t *rapid.T) {
			if err := x.Sync(context.Background(), model.live(), model.load); err != nil {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				i, packs := newFile()
				model[i] = packs
				if err := errors.Join(x.Add(context.Background(), i, packs), x.Add(context.Background(), i, packs)); err != nil {
					t.Fatal(err)
				}
			},
			"others write": func(t *rapid.T) {
				for range rapid.IntRange(1, 3).Draw(t, "files") {
					i, packs := newFile()
					model[i] = packs
				}
				sync(t)
			},
			"others delete": func(t *rapid.T) {
				live := slices.SortedFunc(slices.Values(model.live()), id.ID.Compare)
				for range min(len(live), rapid.IntRange(1, 3).Draw(t, "files")) {
					delete(model, rapid.SampledFrom(live).Draw(t, "file"))
				}
				sync(t)
			},
			"reopen": func(t *rapid.T) {
				if err := x.Close(); err != nil {
					t.Fatal(err)
				}
				x = open()
				if x.Len() != 0 {
					t.Fatalf("an index that was not synced holds entries")
				}
				sync(t)
			},
			"": func(t *rapid.T) {
				model.check(t, x)
				if n := len(x.current.Load().segments); n > maxSegments {
					t.Fatalf("%d segments", n)
				}
			},
		})
	})
}

// madeFiles returns index files of so many packs of 20 blobs each.
func madeFiles(count, packsEach int) files {
	f := files{}
	for n := range count {
		f[madeID(madeIndexKind, n)] = madePacks(n*packsEach, packsEach, 20)
	}
	return f
}

func openSynced(t *testing.T, dir string, f files) *Index {
	t.Helper()
	x, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() }) //nolint:errcheck
	if err := x.Sync(t.Context(), f.live(), f.load); err != nil {
		t.Fatal(err)
	}
	return x
}

// TestCacheSparesLoading: what is cached is not loaded again.
func TestCacheSparesLoading(t *testing.T) {
	dir, f := t.TempDir(), madeFiles(3, 10)
	openSynced(t, dir, f).Close() //nolint:errcheck
	x, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close() //nolint:errcheck
	if err := x.Sync(t.Context(), f.live(), files{}.load); err != nil {
		t.Fatal(err)
	}
	f.check(t, x)
}

// TestSpilledRuns: more entries than are sorted in memory at once.
func TestSpilledRuns(t *testing.T) {
	f := madeFiles(10, 500) // 100,000 entries
	x := openSynced(t, t.TempDir(), f)
	f.check(t, x)
	for i := range f {
		delete(f, i)
		break
	}
	if err := x.Sync(t.Context(), f.live(), f.load); err != nil {
		t.Fatal(err)
	}
	f.check(t, x)
}

func TestBadIndexFilesAreReportedAndLeftOut(t *testing.T) {
	f := madeFiles(4, 5)
	unreadable, damaged := madeID(madeIndexKind, 0), madeID(madeIndexKind, 1)
	gone := errors.New("gone")
	load := func(ctx context.Context, i id.ID) ([]byte, error) {
		data, err := f.load(ctx, i)
		switch i {
		case unreadable:
			return nil, gone
		case damaged:
			data = data[:len(data)-1] // all packs are read before the fault is seen
		}
		return data, err
	}
	x, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close() //nolint:errcheck
	err = x.Sync(t.Context(), f.live(), load)
	var file *FileError
	if !errors.Is(err, gone) || !errors.Is(err, ErrDamaged) || !errors.As(err, &file) {
		t.Errorf("Sync: %v", err)
	}
	rest := files{}
	for i, packs := range f {
		if i != unreadable && i != damaged {
			rest[i] = packs
		}
	}
	rest.check(t, x)
	if err := x.Sync(t.Context(), f.live(), f.load); err != nil {
		t.Fatal(err)
	}
	f.check(t, x)
}

func TestCanceledSyncChangesNothing(t *testing.T) {
	before, after := madeFiles(2, 5), madeFiles(9, 5)
	x := openSynced(t, t.TempDir(), before)
	ctx, cancel := context.WithCancel(t.Context())
	err := x.Sync(ctx, after.live(), func(ctx context.Context, i id.ID) ([]byte, error) {
		cancel()
		return after.load(ctx, i)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Sync: %v", err)
	}
	before.check(t, x)
}

// TestTwoIndexesShareAFolder: each stays right whatever the other does.
func TestTwoIndexesShareAFolder(t *testing.T) {
	dir, f := t.TempDir(), madeFiles(6, 10)
	a, b := openSynced(t, dir, f), openSynced(t, dir, f)
	fewer := files{}
	for i, packs := range f {
		if len(fewer) < 3 {
			fewer[i] = packs
		}
	}
	if err := a.Sync(t.Context(), fewer.live(), fewer.load); err != nil {
		t.Fatal(err)
	}
	fewer.check(t, a)
	f.check(t, b)
	more := madeFiles(8, 10)
	var wg sync.WaitGroup
	for _, x := range []*Index{a, b, openSynced(t, dir, fewer)} {
		wg.Go(func() {
			if err := x.Sync(context.Background(), more.live(), more.load); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	more.check(t, a)
	more.check(t, b)
	more.check(t, openSynced(t, dir, more))
}

// TestLookupsBesideAdd: whoever looks sees every file that was there before.
func TestLookupsBesideAdd(t *testing.T) {
	f := madeFiles(30, 10)
	x := openSynced(t, t.TempDir(), nil)
	done := make(chan struct{})
	var added sync.Map
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				added.Range(func(k, _ any) bool {
					for _, b := range f[k.(id.ID)][0].Blobs {
						if l, ok := x.Lookup(b.Handle); !ok || l != b.Location {
							t.Errorf("lost %s", b.Handle)
						}
					}
					return true
				})
			}
		})
	}
	for i, packs := range f {
		if err := x.Add(t.Context(), i, packs); err != nil {
			t.Error(err)
		}
		added.Store(i, nil)
	}
	close(done)
	wg.Wait()
	f.check(t, x)
}

// segmentFile returns the only segment in a folder.
func segmentFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("segments %v, %v", found, err)
	}
	return found[0]
}

func TestDamagedSegmentIsMadeAgain(t *testing.T) {
	dir, f := t.TempDir(), madeFiles(1, 1)
	openSynced(t, dir, f).Close() //nolint:errcheck
	path := segmentFile(t, dir)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, damaged []byte) {
		t.Helper()
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := openSegment(path); err == nil {
			s.close()
			t.Fatalf("%s: the segment was opened", name)
		} else if !errors.Is(err, errSegment) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for at := range sound {
		p := bytes.Clone(sound)
		p[at] ^= 1 << (at % 8)
		check(fmt.Sprintf("bit flipped in byte %d of %d", at, len(sound)), p)
	}
	for length := 0; length < len(sound); length += 7 {
		check(fmt.Sprintf("cut to %d of %d bytes", length, len(sound)), sound[:length])
	}
	check("a byte more", append(bytes.Clone(sound), 0))
	x := openSynced(t, dir, f) // over the last damage
	f.check(t, x)
	if again, err := os.ReadFile(path); err != nil || len(again) != len(sound) {
		t.Errorf("the segment was not made again: %d bytes, %v", len(again), err)
	}
}

// TestForgedSegments: checksums alone are not relied on.
func TestForgedSegments(t *testing.T) {
	dir, f := t.TempDir(), madeFiles(1, 2)
	openSynced(t, dir, f).Close() //nolint:errcheck
	path := segmentFile(t, dir)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var h header
	if err := h.decode(sound); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int64{
		"pack row of an entry":    headerSize + id.Size + 3,
		"begin of the fan-out":    h.fanoutAt() + 3,
		"end of the fan-out":      h.marksAt() - 1,
		"index file of a pack":    h.rowsAt() + id.Size + 3,
		"pack row of the last":    h.fanoutAt() - 13,
		"index file, last packed": h.filesAt() - 1,
	} {
		p := bytes.Clone(sound)
		p[at] = 0x7f
		forged := h
		forged.body = checksum(p[headerSize:])
		copy(p, forged.encode())
		if err := os.WriteFile(path, p, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSegment(path); !errors.Is(err, errSegment) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrivateIndexLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TMP", os.Getenv("TMPDIR"))
	f := madeFiles(3, 3)
	x := openSynced(t, "", f)
	f.check(t, x)
	// A process that is killed, or forgets to close, leaves nothing either.
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 && runtime.GOOS != "windows" {
		t.Errorf("while it is open there are %v", left)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }
