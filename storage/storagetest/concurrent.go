package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast/storage"
)

// workers is how many goroutines use a store at once in these tests.
const workers = 8

// inParallel runs do for 0..n-1 on several goroutines and reports errors.
func inParallel(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					t.Errorf("task %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

// testConcurrent puts, reads, lists and deletes all at once; odd objects
// stay, even ones go.
func testConcurrent(t *testing.T, s storage.Store) {
	ctx := t.Context()
	const n = 64
	key := func(i int) string { return fmt.Sprintf("data/%02x/%04x", i%4, i) }
	inParallel(t, n, func(i int) error {
		data := randomBytes(uint64(i), 1000+i)
		if err := s.Put(ctx, key(i), storage.Bytes(data), storage.PutOptions{}); err != nil {
			return err
		}
		got, err := storage.ReadAll(ctx, s, key(i))
		if err != nil {
			return err
		}
		if string(got) != string(data) {
			return fmt.Errorf("%s holds the bytes of another object", key(i))
		}
		if err := s.List(ctx, "data/", func(storage.Info) error { return nil }); err != nil {
			return err
		}
		if i%2 == 0 {
			return s.Delete(ctx, key(i))
		}
		return nil
	})
	for i := range n {
		if i%2 == 0 {
			wantAbsent(t, s, key(i))
		} else {
			wantObject(t, s, key(i), randomBytes(uint64(i), 1000+i))
		}
	}
}

func testConcurrentPutSameKey(t *testing.T, s storage.Store) {
	for round := range 10 {
		key := fmt.Sprintf("locks/%d", round)
		var winner atomic.Int64
		var wins atomic.Int64
		inParallel(t, workers, func(i int) error {
			err := s.Put(t.Context(), key, storage.Bytes(randomBytes(uint64(i), 5000)), storage.PutOptions{})
			if errors.Is(err, storage.ErrExists) {
				return nil
			}
			if err == nil {
				wins.Add(1)
				winner.Store(int64(i))
			}
			return err
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of %d Puts of one key returned nil, want 1", wins.Load(), workers)
		}
		wantObject(t, s, key, randomBytes(uint64(winner.Load()), 5000))
	}
}
