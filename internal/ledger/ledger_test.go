package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/ledger"
)

type state struct {
	Next  time.Time `json:"next"`
	Count int       `json:"count"`
}

func open(t *testing.T, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func put(t *testing.T, l *ledger.Ledger, key string, v any, rev ledger.Revision) ledger.Revision {
	t.Helper()
	got, err := l.Put(t.Context(), key, v, rev)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestValuesAreKeptAndCompared(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	var got state
	if _, err := l.Get(t.Context(), "plans/shop", &got); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("got %v before anything was written", err)
	}
	first := put(t, l, "plans/shop", state{Count: 1}, ledger.NoRevision)
	if _, err := l.Put(t.Context(), "plans/shop", state{Count: 9}, ledger.NoRevision); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a second first write gives %v", err)
	}
	second := put(t, l, "plans/shop", state{Count: 2}, first)
	if _, err := l.Put(t.Context(), "plans/shop", state{Count: 9}, first); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a write in place of a superseded value gives %v", err)
	}
	rev, err := l.Get(t.Context(), "plans/shop", &got)
	if err != nil || rev != second || got.Count != 2 {
		t.Errorf("got %+v of revision %d and %v, want count 2 of revision %d", got, rev, err, second)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = open(t, dir)
	if rev, err := l.Get(t.Context(), "plans/shop", &got); err != nil || rev != second || got.Count != 2 {
		t.Errorf("opened again: %+v of revision %d and %v", got, rev, err)
	}
	if err := l.Delete(t.Context(), "plans/shop"); err != nil {
		t.Fatal(err)
	}
	if err := l.Delete(t.Context(), "plans/shop"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	if _, err := l.Get(t.Context(), "plans/shop", &got); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("got %v after it was removed", err)
	}
}

func TestUpdateWritesAllOrNothing(t *testing.T) {
	l := open(t, t.TempDir())
	rev := put(t, l, "a", 1, ledger.NoRevision)
	_, err := l.Update(t.Context(), ledger.Write{Key: "b", Value: 2, If: ledger.NoRevision}, ledger.Write{Key: "a", Value: 3, If: rev + 1})
	if !errors.Is(err, ledger.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	var n int
	if _, err := l.Get(t.Context(), "b", &n); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("half of an update is there: %v", err)
	}
	if _, err := l.Update(t.Context(), ledger.Write{Key: "b", Value: 2}, ledger.Write{Key: "a", If: rev}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Get(t.Context(), "a", &n); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("what the update removes is there: %v", err)
	}
}

func TestListHasMoreThanOnePage(t *testing.T) {
	l := open(t, t.TempDir())
	const count = 1234
	for n := 0; n < count; {
		var writes []ledger.Write
		for ; len(writes) < 100 && n < count; n++ {
			writes = append(writes, ledger.Write{Key: fmt.Sprintf("plans/%04d", n), Value: n, If: ledger.NoRevision})
		}
		if _, err := l.Update(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	put(t, l, "plant", -1, ledger.NoRevision)
	next := 0
	err := l.List(t.Context(), "plans/", func(key string, decode func(any) error, _ ledger.Revision) error {
		var n int
		if err := decode(&n); err != nil {
			return err
		}
		if want := fmt.Sprintf("plans/%04d", next); n != next || key != want {
			return fmt.Errorf("got %s=%d, want %s", key, n, want)
		}
		next++
		return nil
	})
	if err != nil || next != count {
		t.Errorf("%d listed, %v", next, err)
	}
}

func TestWatchSeesWhatHappensAfterIt(t *testing.T) {
	l := open(t, t.TempDir())
	put(t, l, "plans/old", 1, ledger.NoRevision)
	ctx, cancel := context.WithCancel(t.Context())
	changes := l.Watch(ctx, "plans/")
	put(t, l, "plants", 1, ledger.NoRevision)
	rev := put(t, l, "plans/new", 7, ledger.NoRevision)
	if err := l.Delete(t.Context(), "plans/old"); err != nil {
		t.Fatal(err)
	}
	c := <-changes
	var n int
	if err := c.Decode(&n); err != nil || c.Key != "plans/new" || n != 7 || c.Revision != rev || c.Deleted {
		t.Errorf("got %+v, %d, %v", c, n, err)
	}
	if c = <-changes; c.Key != "plans/old" || !c.Deleted {
		t.Errorf("got %+v, want that plans/old is gone", c)
	}
	cancel()
	if c, open := <-changes; open {
		t.Errorf("got %+v after the end", c)
	}
	changes = l.Watch(t.Context(), "")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if c, open := <-changes; open {
		t.Errorf("got %+v after the ledger was closed", c)
	}
	if _, open := <-l.Watch(t.Context(), ""); open {
		t.Error("a closed ledger is watched")
	}
	if _, err := l.Put(t.Context(), "a", 1, ledger.AnyRevision); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("a write after Close gives %v", err)
	}
}

func TestALeaseHasOneHolder(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	lease, err := l.Lease(t.Context(), "plans/shop", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lease(t.Context(), "plans/shop", time.Minute); !errors.Is(err, ledger.ErrHeld) {
		t.Fatalf("a second holder gets %v", err)
	}
	select {
	case <-lease.Lost():
		t.Fatal("lost while it is held")
	default:
	}
	if err := errors.Join(lease.Release(), lease.Release()); err != nil {
		t.Fatal(err)
	}
	<-lease.Lost()
	next, err := l.Lease(t.Context(), "plans/shop", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if next.Token() <= lease.Token() {
		t.Errorf("token %d after %d", next.Token(), lease.Token())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-next.Lost()

	// The holder ended without releasing it: nobody waits for his time.
	l = open(t, dir)
	if _, err := l.Lease(t.Context(), "plans/shop", time.Minute); err != nil {
		t.Errorf("the lease of an ended process: %v", err)
	}
}

func TestALeaseOutlivesItsTimeWhileItsHolderLives(t *testing.T) {
	l := open(t, t.TempDir())
	lease, err := l.Lease(t.Context(), "a", ledger.MinTTL)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-lease.Lost():
		t.Error("lost")
	case <-time.After(2 * ledger.MinTTL):
	}
}

func TestAFolderIsOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := ledger.Open(t.Context(), ledger.Options{Dir: dir}); !errors.Is(err, ledger.ErrInUse) {
		t.Fatalf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestDamageIsSaidAndNotGuessedAround(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
	}{
		{"values cut short", func(t *testing.T, dir string) { cut(t, filepath.Join(dir, "member/snap/db"), 5000) }},
		{"values overwritten", func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "member/snap/db"), 0, 16<<10) }},
		{"pages overwritten", func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "member/snap/db"), 2*4096, 12*4096) }},
		{"log overwritten", func(t *testing.T, dir string) { overwrite(t, logFile(t, dir), 600, 300) }},
		{"log gone", func(t *testing.T, dir string) { remove(t, logFile(t, dir)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir)
			for n := range 50 {
				put(t, l, fmt.Sprint("plans/", n), state{Count: n}, ledger.NoRevision)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.damage(t, dir)
			l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir})
			if !errors.Is(err, ledger.ErrDamaged) {
				t.Errorf("got %v", err)
			}
			if err == nil {
				_ = l.Close()
			}
		})
	}
}

func logFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "member/wal/*.wal"))
	if err != nil || len(found) == 0 {
		t.Fatal("no log", err)
	}
	return found[0]
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path string, at int64, size int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, size)
	for n := range junk {
		junk[n] = byte(n*7 + 1)
	}
	if _, err := f.WriteAt(junk, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsSetAsideIsNotThereAnyMore(t *testing.T) {
	dir := t.TempDir()
	if err := ledger.SetAside(dir); err != nil {
		t.Fatal("of nothing:", err)
	}
	for n := range 2 {
		l := open(t, dir)
		put(t, l, "a", n, ledger.NoRevision)
		if err := ledger.SetAside(dir); !errors.Is(err, ledger.ErrInUse) {
			t.Fatalf("a ledger in use is set aside: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, "member/snap/db"), 0, 16<<10)
		if err := ledger.SetAside(dir); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if _, err := open(t, dir).Get(t.Context(), "a", &n); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// What was superseded takes no room for long: the engine forgets it, and its
// file is written anew when much of it is free.
func TestSpaceIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, "member", "snap", "db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	large := strings.Repeat("x", 256<<10)
	for range 100 {
		put(t, l, "job", large, ledger.AnyRevision)
	}
	if err := l.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := size()
	if err := l.Shrink(); err != nil {
		t.Fatal(err)
	}
	if after := size(); before < 20<<20 || after > 2<<20 {
		t.Errorf("the file had %d bytes, and has %d", before, after)
	}
	var got string
	if _, err := l.Get(t.Context(), "job", &got); err != nil || got != large {
		t.Errorf("the newest value is gone: %v", err)
	}
}
