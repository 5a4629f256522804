package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
)

// Whatever operation of the store fails: the backup says so, makes no
// snapshot, leaves nothing open, and the next one is whole.
func TestStoreFails(t *testing.T) {
	for _, c := range []struct {
		name string
		rule fault.Rule
	}{
		{"pack", fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Before(errTest)}},
		{"last pack", fault.Rule{Op: fault.OpPut, Prefix: "data/", Skip: 1, Fault: fault.Before(errTest)}},
		{"spool", fault.Rule{Op: fault.OpSpool, Fault: fault.Before(errTest)}},
		{"index", fault.Rule{Op: fault.OpPut, Prefix: "index/", Fault: fault.Before(errTest)}},
		{"snapshot", fault.Rule{Op: fault.OpPut, Prefix: "snapshots/", Fault: fault.Before(errTest)}},
		{"list of packs", fault.Rule{Op: fault.OpList, Prefix: "data/", Fault: fault.Before(errTest)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := fault.New(mem.New(), 1)
			b, s := newBedIn(t, store), wide(60, 20)
			if c.name == "list of packs" { // of an empty repository they are not listed
				if _, err := b.try(t.Context(), wide(1, 1), full); err != nil {
					t.Fatal(err)
				}
			}
			before := len(keys(t, store, "snapshots/"))
			store.Add(c.rule)
			if _, err := b.try(t.Context(), s, full); !errors.Is(err, errTest) {
				t.Errorf("error %v, want %v", err, errTest)
			}
			s.wantClosed(t)
			if n := len(keys(t, store, "snapshots/")) - before; n > 0 {
				t.Errorf("%d snapshots were made", n)
			}
			store.Clear()
			b.wantTree(b.clean(s, full).Snapshot.Tree, s)
		})
	}
}

// A backup that dies at any operation of the store leaves nothing that the
// next one trips over.
func TestDiesAnywhere(t *testing.T) {
	prepared := mem.New()
	s := newFake()
	for n := range 30 {
		s.file(fmt.Sprintf("/src/d%d/f%d", n%3, n), noise(2000, uint64(n)))
	}
	setup := newBedIn(t, prepared)
	setup.clean(s)
	s.file("/src/d1/new", []byte("new"))
	fault.Replay{
		Fresh: func() storage.Store { return prepared.Clone() },
		Job: func(ctx context.Context, store storage.Store) error {
			b := &bed{t: t, store: store, cache: t.TempDir()}
			_, err := b.tryAll(ctx, s)
			return err
		},
		Check: func(t *testing.T, left storage.Store) {
			b := &bed{t: t, store: left, cache: t.TempDir()}
			b.wantTree(b.run(s).Snapshot.Tree, s)
		},
		// Torn objects are no business of a backup that trusts its index.
		Modes: []fault.Crash{fault.CrashBefore, fault.CrashAfter},
	}.Run(t)
}

// Failed and cancelled backups of real folders in real repositories leave no
// descriptor and no goroutine behind.
func TestNothingLeaks(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip(err)
	}
	store, err := local.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	faulty := fault.New(store, 1)
	b, s := newBedIn(t, faulty), wide(60, 20)
	b.cutOff(s, 50)
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	for n := range int64(8) {
		b.cutOff(s, 100+700*n, full)
		faulty.Add(fault.Rule{Op: fault.OpPut, Prefix: "data/", Skip: int(n % 2), Fault: fault.Before(errTest)})
		s.file("/src/new", noise(100_000, uint64(1000+n)))
		if _, err := b.try(t.Context(), s, full); err == nil && n%2 == 0 {
			t.Error("the store did not fail")
		}
		faulty.Clear()
	}
	if n := openDescriptors(t); n != descriptors {
		t.Errorf("%d descriptors are open, %d before", n, descriptors)
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines are left, %d before", n, goroutines)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// The memory of a backup does not grow with the number of files, except by a
// few times the tree of its largest folder.
func TestMemoryOfFlatFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory: not under the race detector, which needs several times as much")
	}
	const files = 100_000
	b, s := newBed(t), newFake()
	for n := range files {
		s.file(fmt.Sprintf("/src/file-%06d", n), nil)
	}
	base := liveHeap()
	var (
		mu   sync.Mutex
		peak uint64
		uses int
	)
	s.before = func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		if uses++; uses%20_000 == 0 {
			peak = max(peak, liveHeap())
		}
		return nil
	}
	receipt := b.run(s, func(o *Options) { o.OnItem, o.Readers = nil, 1 })
	treeBytes := receipt.Snapshot.Summary.DataAdded
	// The tree grows by doubling; its names and items come to it.
	if used := peak - base; used > 3*treeBytes {
		t.Errorf("%d MiB in use for a tree of %d MiB", used>>20, treeBytes>>20)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
