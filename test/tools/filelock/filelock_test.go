//go:build unix

package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
)

func TestLockAdmitsOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	inside, most := 0, 0 // guarded by the lock alone: -race would tell
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			unlock, err := Lock(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			inside++
			most = max(most, inside)
			inside--
		})
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d at once", most)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want %v", err, context.Canceled)
	}
}
