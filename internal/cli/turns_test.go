package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/storage/local"
)

// Others get to the repository soon after work began that can be shared, and
// what is short has one exclusive lock for all of it.
func TestTurns(t *testing.T) {
	s := newShell(t)
	store, err := local.Open(s.repo)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(t.Context(), store, repository.Options{Password: []byte(os.Getenv("HOLDFAST_PASSWORD"))})
	if err != nil {
		t.Fatal(err)
	}
	streams := Streams{Out: io.Discard, Err: io.Discard}
	c := &command{streams: streams, ui: newUI(streams, globalFlags{})}
	w := &turns{c: c, r: r}
	getsIn := func(mode repository.LockMode, wait time.Duration) bool {
		t.Helper()
		l, _, err := r.Lock(t.Context(), mode, repository.LockOptions{Retry: wait})
		var locked *repository.LockedError
		if errors.As(err, &locked) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	do := func(mode repository.LockMode, work func()) (number int) {
		t.Helper()
		err := w.Locked(t.Context(), mode, func(context.Context) error {
			number = w.Number()
			work()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	alone := func() {
		t.Helper()
		if getsIn(repository.Shared, 0) {
			t.Error("somebody else got in")
		}
	}
	first := do(repository.Shared, alone)
	if second := do(repository.Exclusive, alone); first == 0 || second != first {
		t.Errorf("short work has locks %d and %d", first, second)
	}
	do(repository.Shared, func() {
		if !getsIn(repository.Shared, time.Minute) {
			t.Error("nobody got in, although the work can be shared")
		}
		if n := w.Number(); n != 0 {
			t.Errorf("a shared lock has number %d", n)
		}
	})
	if !getsIn(repository.Exclusive, 0) {
		t.Error("the lock was not released")
	}
	if w.longest < aloneFirst {
		t.Errorf("nobody got in for %s at the longest", w.longest)
	}
	other, _, err := r.Lock(t.Context(), repository.Shared, repository.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := do(repository.Shared, func() {}); n != 0 {
		t.Error("it was alone beside others")
	}
	if err := errors.Join(other.Unlock(), w.end(nil), r.Close()); err != nil {
		t.Error(err)
	}
	if !getsIn(repository.Exclusive, 0) {
		t.Error("a lock was left")
	}
}
