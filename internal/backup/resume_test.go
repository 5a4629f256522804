package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/storage/fault"
)

var errInterrupt = errors.New("test: interrupted")

// cutOff makes a backup that is interrupted at the n-th use of the source.
func (b *bed) cutOff(s *fake, n int64, change ...func(*Options)) (completed bool) {
	b.t.Helper()
	ctx, cancel := context.WithCancelCause(b.t.Context())
	defer cancel(nil)
	var uses atomic.Int64
	s.before = func(string, string) error {
		if uses.Add(1) >= n {
			cancel(errInterrupt)
			return errInterrupt
		}
		return nil
	}
	defer func() { s.before = nil }()
	_, err := b.try(ctx, s, change...)
	if err != nil && !errors.Is(err, errInterrupt) {
		b.t.Fatal(err)
	}
	s.wantClosed(b.t)
	return err == nil
}

// wide returns a source of many small files, some folders deep.
func wide(folders, files int) *fake {
	s := newFake()
	for d := range folders {
		for f := range files {
			s.file(fmt.Sprintf("/src/d%d/e%d/f%d", d%7, d, f), noise(20_000, uint64(d*1000+f)))
		}
	}
	s.file("/src/large", noise(6_000_000, 1))
	return s
}

func TestResume(t *testing.T) {
	for _, n := range []int64{2, 10, 50, 150, 300, 500, 800, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b, s := newBed(t), wide(20, 10)
			if b.cutOff(s, n) {
				t.Skip("it was done before")
			}
			done := s.opened.Load()
			s.opened.Store(0)
			receipt := b.clean(s)
			b.wantTree(receipt.Snapshot.Tree, s)
			// Files under way when it was cut off are read twice.
			if again := done + s.opened.Load() - 201; again > 5 || done > 5 && !receipt.Resumed {
				t.Errorf("%d files were read again, resumed: %v", again, receipt.Resumed)
			}
			if sum := receipt.Snapshot.Summary; sum.FilesNew != 201 || sum.TotalFilesProcessed != 201 {
				t.Errorf("summary %+v", sum)
			}
			if left := checkpoints(t, b); len(left) > 0 {
				t.Errorf("left %v", left)
			}
			b.wantSameInOneGo(t, s, receipt)
		})
	}
}

// wantSameInOneGo makes sure that a full backup without interruption has the
// same tree.
func (b *bed) wantSameInOneGo(t rapid.TB, s *fake, resumed *Receipt) {
	t.Helper()
	if b.clean(s, full, func(o *Options) { o.ReadBack = true }).Snapshot.Tree != resumed.Snapshot.Tree {
		t.Errorf("the tree is not that of a backup without interruption")
	}
}

// However often backups are cut off, of whatever type, and whatever changes
// between them: what comes out in the end is what is there in the end.
func TestInterruptedBackupsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b, s := newBed(t), newFake()
		for d := range 6 {
			for f := range 4 {
				s.file(fmt.Sprintf("/src/d%d/e%d/f%d", d, d, f), noise(200, uint64(10*d+f)))
			}
		}
		kind := rapid.SampledFrom([]func(*Options){full, differential, func(*Options) {}}).Draw(rt, "type")
		if rapid.Bool().Draw(rt, "parent") {
			b.clean(s)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "interruptions") {
			for range rapid.IntRange(0, 3).Draw(rt, "changes") {
				change(rt, s)
			}
			b.cutOff(s, rapid.Int64Range(1, 250).Draw(rt, "at"), kind)
		}
		receipt := b.clean(s, kind)
		b.wantTree(receipt.Snapshot.Tree, s)
		b.wantSameInOneGo(rt, s, receipt)
	})
}

func change(rt *rapid.T, s *fake) {
	path := func(name string) string {
		d := rapid.IntRange(0, 5).Draw(rt, name+" folder")
		return fmt.Sprintf("/src/d%d/e%d/f%d", d, d, rapid.IntRange(0, 5).Draw(rt, name+" file"))
	}
	switch rapid.IntRange(0, 3).Draw(rt, "kind of change") {
	case 0:
		s.file(path("new"), noise(30_000, rapid.Uint64Range(0, 1<<20).Draw(rt, "seed")))
	case 1:
		s.remove(path("removed"))
	case 2:
		p := path("linked")
		s.remove(p)
		s.symlink(p, "target")
	case 3:
		if n := s.get(path("touched")); n != nil {
			n.entry.Mode ^= 0o111
			n.entry.ChangeTime.Sec++
		}
	}
}

// A killed process has flushed nothing: what it knew lies in the kernel, and
// the packs that were not full are lost.
func TestResumeAfterKill(t *testing.T) {
	b := newBed(t)
	s := wide(300, 10) // some 60 MB: three packs are full
	b.killed(s, 9000)
	packs := len(keys(t, b.store, "data/"))
	if packs == 0 {
		t.Fatal("the test kills too early")
	}
	before := s.read.Load()
	s.read.Store(0)
	receipt := b.clean(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	again := before + s.read.Load() - 66_000_000
	b.wantSameInOneGo(t, s, receipt)
	// Lost are at most the packs under way (two of 16 MiB) and what the
	// checkpoint's buffer held.
	if !receipt.Resumed || again > 40_000_000 {
		t.Errorf("resumed %v; of %d bytes read before, %d were read again", receipt.Resumed, before, again)
	}
}

// killed makes a backup die at the n-th use of the source as by SIGKILL: its
// store and its files in the cache stay as they are at that moment.
func (b *bed) killed(s *fake, n int64) {
	b.t.Helper()
	inner := b.store
	store := fault.New(inner, 1)
	b.store = store
	var uses atomic.Int64
	saved := b.t.TempDir()
	s.before = func(string, string) error {
		if uses.Add(1) == n {
			store.CrashAt(1, fault.CrashBefore)
			if err := os.CopyFS(saved, os.DirFS(b.cache)); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := b.try(b.t.Context(), s); err == nil {
		b.t.Fatal("the backup outlived its death")
	}
	s.before = nil
	b.store, b.cache = inner, saved
}

func TestDamagedCheckpoint(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(data []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"garbage", func(d []byte) []byte { return noise(len(d), 1) }},
		{"cut", func(d []byte) []byte { return d[:len(d)*2/3] }},
		{"one bit", func(d []byte) []byte { d[len(d)/2] ^= 8; return d }},
		{"huge length", func(d []byte) []byte { d[4] = 0xff; return d }},
		{"garbage behind", func(d []byte) []byte { return append(d, noise(100, 1)...) }},
		{"no start", func(d []byte) []byte { return d[recordHead+15:] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBed(t), wide(10, 10)
			b.cutOff(s, 250)
			name := checkpoints(t, b)[0]
			data, err := os.ReadFile(name)
			if err == nil {
				err = os.WriteFile(name, c.damage(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			b.cutOff(s, 100) // appends to what is left of it
			b.wantTree(b.clean(s).Snapshot.Tree, s)
		})
	}
}

// While another process makes the same backup, its checkpoint is left alone.
func TestCheckpointInUse(t *testing.T) {
	b, s := newBed(t), wide(10, 10)
	b.cutOff(s, 250)
	name := checkpoints(t, b)[0]
	r := b.open()
	defer r.Close()
	held, err := r.OpenWorkFile(name[len(name)-len("checkpoint-0011223344556677"):])
	if err != nil || held == nil {
		t.Fatal(held, err)
	}
	defer held.Close()
	receipt := b.clean(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	if receipt.Resumed || len(checkpoints(t, b)) != 1 {
		t.Error("the checkpoint of a living process was used")
	}
}

// The cache may be on a full disk: that must not stop a backup.
func TestCheckpointCannotBeWritten(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	b, s := newBed(t), wide(10, 10)
	b.cutOff(s, 10)
	name := checkpoints(t, b)[0]
	if os.Remove(name) != nil || os.Symlink("/dev/full", name) != nil {
		t.Fatal("cannot make the checkpoint a full device")
	}
	receipt := b.run(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	if receipt.Errors != 0 || len(b.problems) != 1 {
		t.Errorf("%d errors, reported %v", receipt.Errors, b.problems)
	}
}

func TestOldCheckpointIsNotUsed(t *testing.T) {
	b, s := newBed(t), wide(10, 10)
	b.cutOff(s, 250)
	r := b.open()
	defer r.Close()
	f, err := os.OpenFile(checkpoints(t, b)[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		later time.Duration
		want  bool
	}{{checkpointLife - time.Hour, true}, {checkpointLife + time.Hour, false}} {
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		c2 := &checkpoint{f: f, next: 2}
		if err := c2.load(time.Now().Add(c.later), r.Index().Has); err != nil {
			t.Fatal(err)
		}
		if n := countSaved(c2.root); n > 0 != c.want {
			t.Errorf("after %v there are %d nodes", c.later, n)
		}
	}
}

func countSaved(f *savedFolder) int {
	n := len(f.nodes)
	for _, c := range f.children {
		n += countSaved(c)
	}
	return n
}

func TestReadBackIsNotResumedWithout(t *testing.T) {
	b, s := newBed(t), wide(10, 10)
	b.cutOff(s, 250, full)
	if r := b.clean(s, full, func(o *Options) { o.ReadBack = true }); r.Resumed {
		t.Error("what was not read back was taken for good")
	}
}

func FuzzCheckpoint(f *testing.F) {
	b, s := newBed(f), wide(3, 3)
	b.cutOff(s, 60)
	data, err := os.ReadFile(checkpoints(f, b)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	r := b.open()
	f.Cleanup(func() { r.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.Write(data); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		c := &checkpoint{f: file, next: 2}
		if err := c.load(time.Now(), r.Index().Has); err != nil {
			t.Fatal(err)
		}
		nodes, err := c.nodesOf(c.root, r.Index().Has)
		if err != nil {
			t.Fatal(err)
		}
		nodes.find("src")
	})
}
