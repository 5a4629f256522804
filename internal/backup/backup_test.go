package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func TestFirstBackup(t *testing.T) {
	b, s := newBed(t), sample()
	receipt := b.clean(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	s.wantClosed(t)
	if receipt.Type != snapshot.Full || receipt.Why == "" || receipt.Parent != nil || receipt.Snapshot.Type() != snapshot.Full {
		t.Errorf("type %q because %q, parent %v", receipt.Type, receipt.Why, receipt.Parent)
	}
	sum := receipt.Snapshot.Summary
	if sum.FilesNew != 5 || sum.DirsNew != 6 || sum.TotalBytesProcessed != 15_100_003 || sum.DataAdded < 15_100_003 || sum.DataAddedPacked == 0 {
		t.Errorf("summary %+v", sum)
	}
}

func TestNothingChanged(t *testing.T) {
	b, s := newBed(t), sample()
	first := b.clean(s)
	s.read.Store(0)
	second := b.clean(s)
	if second.Snapshot.Tree != first.Snapshot.Tree || second.Parent == nil || second.Parent.ID != first.Snapshot.ID {
		t.Errorf("tree %v, want %v; parent %v", second.Snapshot.Tree, first.Snapshot.Tree, second.Parent)
	}
	sum := second.Snapshot.Summary
	if s.read.Load() != 0 || sum.FilesUnmodified != 5 || sum.DirsUnmodified != 6 || sum.DataAdded != 0 || sum.TreeBlobs != 0 {
		t.Errorf("%d bytes were read; summary %+v", s.read.Load(), sum)
	}
	s.wantClosed(t)
}

func TestSkipIfUnchanged(t *testing.T) {
	b, s := newBed(t), sample()
	b.clean(s)
	skip := func(o *Options) { o.SkipIfUnchanged = true }
	if r := b.clean(s, skip); !r.Snapshot.ID.IsZero() || len(keys(t, b.store, "snapshots/")) != 1 {
		t.Errorf("a snapshot was made")
	}
	s.file("/src/new", nil)
	if r := b.clean(s, skip); r.Snapshot.ID.IsZero() {
		t.Error("no snapshot was made")
	}
}

// What of a changed entry is read again.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(n *fakeNode)
		reuse  source.Reuse
		read   bool
	}{
		{name: "size", change: func(n *fakeNode) { n.content = []byte("longer"); n.entry.Size = 6 }, read: true},
		{name: "mtime", change: func(n *fakeNode) { n.entry.ModTime.Nsec++ }, read: true},
		{name: "ctime", change: func(n *fakeNode) { n.entry.ChangeTime.Nsec++ }, read: true},
		{name: "inode", change: func(n *fakeNode) { n.entry.Inode += 1000 }, read: true},
		{name: "ctime ignored", change: func(n *fakeNode) { n.entry.ChangeTime.Nsec++; n.entry.Mode = 0o600 }, reuse: source.Reuse{IgnoreChangeTime: true}},
		{name: "inode ignored", change: func(n *fakeNode) { n.entry.Inode += 1000 }, reuse: source.Reuse{IgnoreInode: true}},
		{name: "access time recorded", change: func(n *fakeNode) { n.entry.AccessTime.Sec++ }, reuse: source.Reuse{NewNodes: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBed(t), sample()
			b.clean(s)
			c.change(s.get("/src/a/one"))
			s.opened.Store(0)
			receipt := b.clean(s, func(o *Options) { o.Reuse = c.reuse })
			b.wantTree(receipt.Snapshot.Tree, s)
			if got := s.opened.Load() == 1; got != c.read {
				t.Errorf("read again: %v, want %v", got, c.read)
			}
			if other := b.clean(s, full).Snapshot.Tree; other != receipt.Snapshot.Tree {
				t.Error("a full backup makes another tree")
			}
		})
	}
	t.Run("times too near the earlier start", func(t *testing.T) {
		b, s := newBed(t), sample()
		s.get("/src/a/one").entry.ChangeTime = source.TimeOf(time.Now())
		b.clean(s)
		s.opened.Store(0)
		b.clean(s)
		if s.opened.Load() != 1 {
			t.Errorf("%d files were read again, want 1", s.opened.Load())
		}
	})
}

func full(o *Options)         { o.Type = snapshot.Full }
func differential(o *Options) { o.Type = snapshot.Differential }
func dry(o *Options)          { o.DryRun = true }

func TestRemovedAndReplaced(t *testing.T) {
	b, s := newBed(t), sample()
	b.clean(s)
	s.remove("/src/a/two")
	s.remove("/src/b/link")
	s.file("/src/b/link", []byte("now a file"))
	s.remove("/src/b/large")
	s.file("/src/b/large/is/a/folder", []byte("now"))
	s.remove("/src/a/deep")
	s.symlink("/src/a/deep", "now a link")
	b.wantTree(b.clean(s).Snapshot.Tree, s)
}

func TestChooseParent(t *testing.T) {
	now := time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)
	made := func(name string, hoursAgo int, kind snapshot.Type, change ...func(*snapshot.Snapshot)) *snapshot.Snapshot {
		s := &snapshot.Snapshot{ID: id.Hash([]byte(name)), Time: now.Add(-time.Duration(hoursAgo) * time.Hour), Hostname: "host", Paths: []string{"/src"}, Username: name}
		if kind != "" {
			s.SetType(kind)
		}
		for _, c := range change {
			c(s)
		}
		return s
	}
	host := func(s *snapshot.Snapshot) { s.Hostname = "other" }
	paths := func(s *snapshot.Snapshot) { s.Paths = []string{"/src", "/more"} }
	tag := func(s *snapshot.Snapshot) { s.Tags = append(s.Tags, "t") }
	oldFull, newFull := made("old full", 50, snapshot.Full), made("new full", 20, snapshot.Full)
	incremental, untyped := made("incremental", 10, snapshot.Incremental), made("untyped", 5, "")
	all := []*snapshot.Snapshot{
		oldFull, incremental, newFull, untyped, made("future", -1, snapshot.Full),
		made("other host", 1, snapshot.Full, host), made("other paths", 1, snapshot.Full, paths),
	}
	byAll := snapshot.GroupBy{Host: true, Paths: true, Tags: true}
	for _, c := range []struct {
		name    string
		kind    snapshot.Type
		from    []*snapshot.Snapshot
		options func(*Options)
		want    *snapshot.Snapshot
		full    bool
	}{
		{name: "incremental", kind: snapshot.Incremental, from: all, want: untyped},
		{name: "differential", kind: snapshot.Differential, from: all, want: newFull},
		{name: "full", kind: snapshot.Full, from: all},
		{name: "nothing yet", kind: snapshot.Incremental, full: true},
		{name: "type tag lost", kind: snapshot.Differential, from: []*snapshot.Snapshot{untyped, incremental}, full: true},
		{name: "only other sources", kind: snapshot.Incremental, from: all[5:], full: true},
		{name: "only the future", kind: snapshot.Incremental, from: all[4:5], full: true},
		{name: "any host", kind: snapshot.Incremental, from: all[:6], options: func(o *Options) { o.GroupBy = snapshot.GroupBy{Paths: true} }, want: all[5]},
		{name: "by tags", kind: snapshot.Incremental, from: append([]*snapshot.Snapshot{made("tagged", 1, snapshot.Full, tag)}, all[:4]...), options: func(o *Options) { o.GroupBy = byAll }, want: untyped},
		{name: "given", kind: snapshot.Incremental, from: all, options: func(o *Options) { o.Parent = oldFull }, want: oldFull},
		{name: "equal times", kind: snapshot.Incremental, from: []*snapshot.Snapshot{made("a", 5, ""), untyped}, want: untyped},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Type: c.kind, Snapshots: c.from, GroupBy: snapshot.GroupBy{Host: true, Paths: true}, Snapshot: *made("new", 0, "")}
			if c.options != nil {
				c.options(&o)
			}
			if parent, why := chooseParent(o); parent != c.want || (why != "") != c.full {
				t.Errorf("chose %v because %q, want %v", parent, why, c.want)
			}
		})
	}
}

// A snapshot's own time may be anything; what counts is when it began.
func TestForgedTime(t *testing.T) {
	b, s := newBed(t), sample()
	one := s.get("/src/a/one")
	changed := time.Now().Add(-time.Hour)
	b.clean(s, func(o *Options) { o.Snapshot.Time = changed.Add(-24 * time.Hour) }) // says: before the change
	one.entry.ModTime, one.entry.ChangeTime = source.TimeOf(changed), source.TimeOf(changed)
	s.file("/src/a/one", []byte("TWO")).entry = one.entry
	b.wantTree(b.clean(s).Snapshot.Tree, s)
}

func TestDifferentialBuildsOnFull(t *testing.T) {
	b, s := newBed(t), sample()
	first := b.clean(s, full)
	s.file("/src/x", []byte("x"))
	b.clean(s)
	s.file("/src/y", []byte("y"))
	third := b.clean(s, differential)
	if third.Parent == nil || third.Parent.ID != first.Snapshot.ID || third.Snapshot.Summary.FilesNew != 2 {
		t.Errorf("parent %v, summary %+v", third.Parent, third.Snapshot.Summary)
	}
	b.wantTree(third.Snapshot.Tree, s)
}

func TestFullReadsEverything(t *testing.T) {
	b, s := newBed(t), sample()
	first := b.clean(s)
	s.read.Store(0)
	second := b.clean(s, full)
	if s.read.Load() != 15_100_003 || second.Snapshot.Tree != first.Snapshot.Tree || second.Snapshot.Parent != nil {
		t.Errorf("read %d bytes", s.read.Load())
	}
}

func TestMissingBlobOfUnchangedFile(t *testing.T) {
	b, s := newBed(t), sample()
	b.clean(s)
	// The index loses all packs of data, as a wrong prune would do it.
	b.forgetPacks(t, blob.Data)
	receipt := b.run(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	if !errors.Is(b.problems["/src/a/one"], errMissing) || receipt.Errors != 0 {
		t.Errorf("reported %v", b.problems)
	}
}

// forgetPacks rewrites the index without the packs of one type.
func (b *bed) forgetPacks(t *testing.T, kind blob.Type) {
	t.Helper()
	r := b.open()
	defer r.Close()
	packs := map[id.ID][]blob.Blob{}
	for l := range r.Index().All() {
		if l.Type != kind {
			packs[l.Pack] = append(packs[l.Pack], l)
		}
	}
	for _, key := range keys(t, b.store, "index/") {
		if err := b.store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	for i, blobs := range packs {
		if _, err := r.SaveIndex(t.Context(), []packContent{{ID: i, Blobs: blobs}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnreadableParentTree(t *testing.T) {
	b, s := newBed(t), sample()
	b.clean(s)
	b.forgetPacks(t, blob.Tree)
	s.read.Store(0)
	receipt := b.run(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	if len(b.problems) == 0 || receipt.Errors != 0 || s.read.Load() == 0 {
		t.Errorf("reported %v, %d errors, read %d bytes", b.problems, receipt.Errors, s.read.Load())
	}
}

func TestFullHealsPacks(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(s *mem.Store, key string)
	}{
		{"missing", func(s *mem.Store, key string) { s.Delete(context.Background(), key) }},
		{"too short", func(s *mem.Store, key string) { resize(s, key, -1) }},
		{"too long", func(s *mem.Store, key string) { resize(s, key, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := mem.New()
			b, s := newBedIn(t, store), sample()
			b.clean(s)
			damaged := keys(t, store, "data/")
			for _, key := range damaged {
				c.damage(store, key)
			}
			receipt := b.clean(s, full)
			if receipt.Healed != len(damaged) {
				t.Errorf("healed %d of %d packs", receipt.Healed, len(damaged))
			}
			for _, key := range damaged {
				store.Delete(t.Context(), key)
			}
			b.wantTree(receipt.Snapshot.Tree, s)
		})
	}
}

func resize(s *mem.Store, key string, by int) {
	data := read(s, key)
	if by > 0 {
		data = append(data, 0)
	} else {
		data = data[:len(data)-1]
	}
	s.Overwrite(key, data)
}

func read(s *mem.Store, key string) []byte {
	r, err := s.Get(context.Background(), key, 0, -1)
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return data
}

func TestReadBackHealsBlobs(t *testing.T) {
	store := mem.New()
	b, s := newBedIn(t, store), sample()
	b.clean(s)
	for _, key := range keys(t, store, "data/") {
		data := read(store, key)
		for n := 0; n < len(data)-40_000; n += 10_000 { // not the header
			data[n] ^= 1
		}
		data[0] ^= 2
		store.Overwrite(key, data)
	}
	receipt := b.clean(s, full, func(o *Options) { o.ReadBack = true })
	b.wantTree(receipt.Snapshot.Tree, s)
	again := b.clean(s, full, func(o *Options) { o.ReadBack = true })
	if again.Snapshot.Summary.DataAdded != 0 {
		t.Errorf("%d bytes were stored again twice", again.Snapshot.Summary.DataAdded)
	}
}

func TestProblemsOfTheSource(t *testing.T) {
	for _, c := range []struct {
		name   string
		prior  bool
		before func(op, path string) error
		change func(s *fake)
		paths  []string // reported, each an error
		lost   []string // left out of the snapshot
	}{
		{name: "file cannot be opened", before: failing("read", "/src/a/one"), paths: []string{"/src/a/one"}, lost: []string{"/src/a/one"}},
		{name: "file cannot be read", before: failing("bytes", "/src/a/deep/er/three"), paths: []string{"/src/a/deep/er/three"}, lost: []string{"/src/a/deep/er/three"}},
		{name: "large file cannot be read", before: failing("bytes", "/src/b/large"), paths: []string{"/src/b/large"}, lost: []string{"/src/b/large"}},
		{name: "reading fails in the middle", before: after(40, failing("bytes", "/src/b/large")), paths: []string{"/src/b/large"}, lost: []string{"/src/b/large"}},
		{name: "stat fails", before: failing("stat", "/src/b/empty"), paths: []string{"/src/b/empty"}, lost: []string{"/src/b/empty"}},
		{name: "folder cannot be opened", before: failing("sub", "/src/a/deep"), paths: []string{"/src/a/deep"}, lost: []string{"/src/a/deep", "/src/a/deep/er", "/src/a/deep/er/three"}},
		{name: "folder cannot be listed", before: failing("list", "/src/a/deep"), paths: []string{"/src/a/deep"}, lost: []string{"/src/a/deep", "/src/a/deep/er", "/src/a/deep/er/three"}},
		{name: "metadata is incomplete", before: failing("node", "/src/b/link"), paths: []string{"/src/b/link"}, lost: []string{"/src/b/link"}},
		{name: "file changes", change: func(s *fake) { s.get("/src/a/two").changes = true }, paths: []string{"/src/a/two"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBed(t), sample()
			s.before = c.before
			if c.change != nil {
				c.change(s)
			}
			receipt := b.run(s)
			s.wantClosed(t)
			if got := slices.Sorted(maps.Keys(b.problems)); !slices.Equal(got, c.paths) || receipt.Errors != len(c.paths) {
				t.Errorf("reported %v, %d errors, want %v", b.problems, receipt.Errors, c.paths)
			}
			for _, path := range slices.Backward(c.lost) {
				s.remove(path)
			}
			b.wantTree(receipt.Snapshot.Tree, s)
		})
	}
}

func failing(op, path string) func(op, path string) error {
	return func(o, p string) error {
		if o == op && p == path {
			return errTest
		}
		return nil
	}
}

// after lets the first matching calls pass.
func after(calls int, fail func(op, path string) error) func(op, path string) error {
	return func(op, path string) error {
		if err := fail(op, path); err != nil {
			if calls--; calls < 0 {
				return err
			}
		}
		return nil
	}
}

func TestVanishing(t *testing.T) {
	b, s := newBed(t), sample()
	gone := func(op, path string) error {
		if op == "read" && path == "/src/a/one" || op == "sub" && path == "/src/a/deep" || op == "stat" && path == "/src/b/empty" {
			return &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
		}
		return nil
	}
	s.before = gone
	receipt := b.run(s)
	if receipt.Errors != 3 || !strings.Contains(b.problems["/src/a/one"].Error(), "vanished") {
		t.Errorf("%d errors, reported %v", receipt.Errors, b.problems)
	}
}

func TestExcludedWhileOpening(t *testing.T) {
	b, s := newBed(t), sample()
	s.before = func(op, path string) error {
		if op == "sub" && path == "/src/a" || op == "stat" && path == "/src/b/link" {
			return fmt.Errorf("rule: %w", source.ErrExcluded)
		}
		return nil
	}
	receipt := b.clean(s)
	s.remove("/src/a")
	s.remove("/src/b/link")
	b.wantTree(receipt.Snapshot.Tree, s)
}

func TestNothingReadable(t *testing.T) {
	for name, before := range map[string]func(op, path string) error{
		"open":  failing("open", "/"),
		"list":  failing("list", "/"),
		"root":  failing("sub", "/src"),
		"names": failing("list", "/src"),
		"files": func(op, _ string) error {
			if op == "read" || op == "node" {
				return errTest
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := newBed(t), sample()
			s.before = before
			if _, err := b.try(t.Context(), s); err == nil {
				t.Error("no error")
			}
			if n := len(keys(t, b.store, "snapshots/")); n != 0 {
				t.Errorf("%d snapshots were made", n)
			}
			s.wantClosed(t)
		})
	}
}

func TestFailedCommandMakesNoSnapshot(t *testing.T) {
	b := newBed(t)
	failed := io.MultiReader(strings.NewReader("half of a dump"), &failingReader{errTest})
	_, err := b.try(t.Context(), &source.Stream{Path: "/dump.sql", Content: io.NopCloser(failed), ModTime: time.Now()})
	if err == nil || len(keys(t, b.store, "snapshots/")) != 0 {
		t.Errorf("a snapshot was made: %v", err)
	}
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestStream(t *testing.T) {
	b, content := newBed(t), noise(20_000_000, 9)
	receipt := b.clean(&source.Stream{Path: "/db/dump.sql", Content: io.NopCloser(bytes.NewReader(content)), ModTime: time.Now()})
	r := b.open()
	defer r.Close()
	f, err := snapfs.Open(t.Context(), r, receipt.Snapshot.Tree)
	if err != nil {
		t.Fatal(err)
	}
	n, err := f.Lookup(t.Context(), "/db/dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := f.WriteFile(t.Context(), n, &got); err != nil || !bytes.Equal(got.Bytes(), content) || n.Size != 20_000_000 {
		t.Errorf("%d bytes came back, size %d, %v", got.Len(), n.Size, err)
	}
}

func TestDryRun(t *testing.T) {
	store := fault.New(mem.New(), 1)
	b, s := newBedIn(t, store), sample()
	s.file("/src/twin", s.get("/src/a/two").content)
	before := changes(store)
	receipt := b.clean(s, dry)
	if changes(store) != before || !receipt.Snapshot.ID.IsZero() {
		t.Error("a dry run changed the repository")
	}
	planned := receipt.Snapshot.Summary
	made := b.clean(s).Snapshot.Summary
	if planned.DataAdded != made.DataAdded || planned.FilesNew != made.FilesNew || planned.DataBlobs != made.DataBlobs {
		t.Errorf("planned %+v, made %+v", planned, made)
	}
	if names := checkpoints(t, b); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

func changes(s *fault.Store) (n int) {
	for _, c := range s.Calls() {
		if c.Op.Changes() {
			n++
		}
	}
	return n
}

// Hard links are told by inode and device: when the device has another
// number, all names of a file must say so.
func TestHardLinksAfterDeviceNumberChanged(t *testing.T) {
	b, s := newBed(t), newFake()
	one := s.file("/src/one", []byte("shared"))
	one.entry.Links = 2
	s.root.children["src"].children["two"] = one
	b.clean(s)
	one.entry.DeviceID++
	receipt := b.clean(s)
	r := b.open()
	defer r.Close()
	f, err := snapfs.Open(t.Context(), r, receipt.Snapshot.Tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/src/one", "/src/two"} {
		if n, err := f.Lookup(t.Context(), path); err != nil || n.DeviceID != one.entry.DeviceID {
			t.Errorf("%s: device %d, %v", path, n.DeviceID, err)
		}
	}
}

func TestItems(t *testing.T) {
	b, s := newBed(t), sample()
	b.clean(s)
	s.get("/src/a/one").entry.ModTime.Sec++
	s.file("/src/a/zero", []byte("0"))
	b.clean(s)
	for path, want := range map[string]State{"/src/a/one": Changed, "/src/a/zero": New, "/src/a/two": Unchanged, "/src/a": Changed, "/src/b": Unchanged} {
		if got := b.items[path].State; got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestSubtreeIsReused(t *testing.T) {
	b, s := newBed(t), sample()
	first := b.clean(s).Snapshot.Tree
	s.file("/src/b/more", nil)
	second := b.clean(s).Snapshot.Tree
	if b.treeAt(first, "/src/a") != b.treeAt(second, "/src/a") || b.treeAt(first, "/src/b") == b.treeAt(second, "/src/b") {
		t.Error("trees are not shared where they are equal")
	}
}

// The progress moves within a large file, and back if the file is left out.
func TestProgressWithinALargeFile(t *testing.T) {
	b := newBed(t)
	src := newFake()
	src.file("/small", []byte("small"))
	src.file("/large", noise(24<<20, 1))
	progress := new(Progress)
	src.before = func(op, path string) error {
		if op != "bytes" || path != "/large" || src.read.Load() < 20<<20 {
			return nil
		}
		deadline := time.Now().Add(time.Minute)
		for progress.Bytes.Load() < 1<<20 {
			if time.Now().After(deadline) {
				t.Error("20 MiB were read, and the progress did not move")
				break
			}
			runtime.Gosched()
		}
		return errors.New("bad sector")
	}
	receipt := b.run(src, func(o *Options) { o.Progress = progress })
	if got := receipt.Snapshot.Summary.TotalBytesProcessed; got != 5 {
		t.Errorf("%d bytes counted, want those of the small file", got)
	}
	src.before = nil
	receipt = b.run(src)
	if got := receipt.Snapshot.Summary.TotalBytesProcessed; got != 24<<20+5 {
		t.Errorf("%d bytes counted", got)
	}
}
