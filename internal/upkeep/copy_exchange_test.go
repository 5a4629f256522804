package upkeep

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// copyAsProcess copies all that is missing, as a process of its own does: with
// its own lock and its own index.
func copyAsProcess(ctx context.Context, from, to storage.Store) (CopyReceipt, error) {
	var receipt CopyReceipt
	err := with(ctx, from, func(src *repository.Repository) error {
		chosen, err := src.Snapshots(ctx)
		if err == nil {
			err = src.LoadIndex(ctx)
		}
		if err != nil {
			return err
		}
		return with(ctx, to, func(dst *repository.Repository) error {
			l, locked, err := dst.Lock(ctx, repository.Shared, repository.LockOptions{})
			if err != nil {
				return err
			}
			defer l.Unlock() //nolint:errcheck // of a test
			there, err := dst.Snapshots(locked)
			if err == nil {
				err = dst.LoadIndex(locked)
			}
			if err != nil {
				return err
			}
			d := &Destination{Repository: dst}
			for _, s := range chosen {
				if Copied(s, there) == nil {
					d.Snapshots = append(d.Snapshots, s)
				}
			}
			err = Copy(locked, src, []*Destination{d}, CopyOptions{Writer: repository.WriterOptions{PackSizeBytes: repository.MinPackSize}})
			receipt = d.Receipt
			return err
		})
	})
	return receipt, err
}

func dataBytes(t *testing.T, s storage.Store) (n int64) {
	t.Helper()
	if err := s.List(t.Context(), "data/", func(i storage.Info) error { n += i.SizeBytes; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// Two copies of the same to one place, the second begun a little later, do not
// both store all of it, and store each snapshot once.
func TestTwoCopiesAtOnceShareTheWork(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, from *mem.Store) map[id.ID]files{
		"one large snapshot": func(t *testing.T, from *mem.Store) map[id.ID]files {
			content := files{}
			for n := range uint64(128) {
				content[fmt.Sprintf("f%03d", n)] = noise(n, 1<<20)
			}
			return map[id.ID]files{backUp(t, from, 0, content).Tree: content}
		},
		"many small ones": func(t *testing.T, from *mem.Store) map[id.ID]files {
			want := map[id.ID]files{}
			for n := range 128 {
				content := files{"f": noise(uint64(n), 1<<20)} //nolint:gosec // not negative
				want[backUp(t, from, n, content).Tree] = content
			}
			return want
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := mem.New(), mem.New()
				initRepository(t, from)
				initRepository(t, to)
				want := make(t, from)
				// The line: it takes a while to bring a pack.
				slow := fault.New(to, 1, fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Delay(20 * time.Second)})
				var copying sync.WaitGroup
				receipts := [2]CopyReceipt{}
				for n := range receipts {
					copying.Go(func() {
						time.Sleep(time.Duration(n) * 7 * time.Second)
						var err error
						if receipts[n], err = copyAsProcess(t.Context(), from, slow); err != nil {
							t.Error(err)
						}
					})
				}
				copying.Wait()
				once, stored := dataBytes(t, from), dataBytes(t, to)
				// What both have under way before they notice each other is much of the
				// little that there is here.
				if share := float64(stored) / float64(once); share > 1.75 {
					t.Errorf("%.2f times as much was stored as there is", share)
				}
				if n := len(receipts[0].Copied) + len(receipts[1].Copied); n != len(want) {
					t.Errorf("%d snapshots were copied of %d", n, len(want))
				}
				wantSound(t, to, want)
			})
		})
	}
}

// A copy that is alone asks no more than it needs: at most one list for each half
// minute, and none of the snapshots.
func TestACopyThatIsAloneAsksForLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := mem.New(), mem.New()
		initRepository(t, from)
		initRepository(t, to)
		for n := range 10 {
			backUp(t, from, n, files{"f": noise(uint64(n), 1<<20)}) //nolint:gosec // not negative
		}
		slow := fault.New(to, 1, fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Delay(25 * time.Second)})
		asked := &askedFor{Store: slow}
		start := time.Now()
		receipt, err := copyAsProcess(t.Context(), from, asked)
		if err != nil || len(receipt.Copied) != 10 {
			t.Fatalf("%d copied, %v", len(receipt.Copied), err)
		}
		atMost := 1 + int(time.Since(start)/exchangeEvery)
		if asked.lists["index/"] > atMost || asked.lists["snapshots/"] != 1 || asked.indexFiles != 1 {
			t.Errorf("lists: %v in %v; %d index files", asked.lists, time.Since(start), asked.indexFiles)
		}
	})
}

// askedFor counts what a copy asks of a destination.
type askedFor struct {
	storage.Store
	mu         sync.Mutex
	lists      map[string]int
	indexFiles int
}

func (a *askedFor) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	a.mu.Lock()
	if a.lists == nil {
		a.lists = make(map[string]int)
	}
	a.lists[prefix]++
	a.mu.Unlock()
	return a.Store.List(ctx, prefix, visit)
}

func (a *askedFor) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	a.mu.Lock()
	if strings.HasPrefix(key, "index/") {
		a.indexFiles++
	}
	a.mu.Unlock()
	return a.Store.Put(ctx, key, body, o)
}
