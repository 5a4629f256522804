package lock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// held counts what Options.Hold holds back.
type held struct {
	mu    sync.Mutex
	holds int
}

func (h *held) hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.holds--
	}
}

func (h *held) now() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.holds
}

func TestWorkBeginsWhileTheLockSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const trip = 50 * time.Millisecond
		f := newFolder()
		f.onSave, f.onList = later(trip), later(trip)
		h, start := new(held), time.Now()
		l, ctx := acquire(t, f, Options{Early: true, Hold: h.hold})
		if took := time.Since(start); took != trip || h.now() != 1 {
			t.Errorf("it took %v until the work began, and %d held changes back; want %v and one", took, h.now(), trip)
		}
		if err := l.Certain(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != trip+settleTime+trip || h.now() != 0 {
			t.Errorf("it was certain after %v, and %d hold changes back", took, h.now())
		}
		if err := l.Certain(ctx); err != nil || ctx.Err() != nil {
			t.Errorf("certain no longer: %v, %v", err, ctx.Err())
		}
		unlock(t, l)
	})
}

func TestWorkDoesNotBeginEarly(t *testing.T) {
	for name, o := range map[string]Options{
		"a slow store":      {Early: true},
		"an exclusive lock": {Early: true, Exclusive: true},
		"who waits anyway":  {Early: true, Retry: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, h, start := newFolder(), new(held), time.Now()
				if o.Retry == 0 && !o.Exclusive {
					f.onSave = later(settleTime)
				}
				o.Hold = h.hold
				l, ctx := acquire(t, f, o)
				if took := time.Since(start); took < settleTime || h.now() != 0 {
					t.Errorf("the work began after %v, and %d hold changes back", took, h.now())
				}
				if err := l.Certain(ctx); err != nil {
					t.Error(err)
				}
				unlock(t, l)
			})
		})
	}
}

// The work ends, and nothing that was held back is let through before it has.
func TestEarlyWorkEndsWithAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newFolder(), new(held)
		l, ctx := acquire(t, f, Options{Early: true, Hold: h.hold})
		time.Sleep(settleTime / 2)
		theirs := f.put(t, other(true))
		err := l.Certain(t.Context())
		var conflict *ConflictError
		if !errors.As(err, &conflict) || !conflict.Other.Exclusive || !errors.Is(err, ErrLost) {
			t.Errorf("Certain = %v", err)
		}
		if cause := context.Cause(ctx); !errors.Is(cause, ErrLost) || !errors.As(cause, &conflict) {
			t.Errorf("the work ends with %v", cause)
		}
		if h.now() != 1 {
			t.Error("what was held back is let through")
		}
		unlock(t, l)
		if ids := f.ids(); h.now() != 0 || len(ids) != 1 || ids[0] != theirs {
			t.Errorf("%d hold changes back, locks: %v", h.now(), ids)
		}
	})
}

func TestEarlyWorkMayEndBeforeTheLockIsCertain(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, cancel func()){
		"done":        func(context.Context, func()) {},
		"interrupted": func(ctx context.Context, cancel func()) { cancel(); <-ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, h, start := newFolder(), new(held), time.Now()
				outer, cancel := context.WithCancel(t.Context())
				defer cancel()
				l, ctx, err := Acquire(outer, f, Options{Early: true, Hold: h.hold})
				if err != nil {
					t.Fatal(err)
				}
				end(ctx, cancel)
				unlock(t, l)
				if err := l.Certain(t.Context()); err == nil {
					t.Error("a lock that was released before it was certain is certain")
				}
				if time.Since(start) != 0 || h.now() != 0 || len(f.ids()) != 0 {
					t.Errorf("after %v, %d hold changes back, locks: %v", time.Since(start), h.now(), f.ids())
				}
			})
		})
	}
}

// What is read early is still true when the lock is certain, whatever the delays
// of a store and whoever else is at work: here somebody who changes everything
// under an exclusive lock.
func TestWhatIsReadEarlyIsTrueWhenTheLockIsCertain(t *testing.T) {
	early, late := 0, 0
	for seed := range uint64(3000) {
		synctest.Test(t, func(t *testing.T) {
			withRival(t, seed, 2, 3*settleTime/2, func(f *folder, state *int) {
				l, ctx, err := Acquire(t.Context(), f, Options{Early: true, Hold: new(held).hold})
				if err == nil {
					saw, read := *state, time.Now()
					err := l.Certain(ctx)
					switch {
					case err != nil:
						late++
					case saw != *state:
						t.Errorf("seed %d: read %d, and now it is %d", seed, saw, *state)
					case time.Since(read) > 0:
						early++
					}
					unlock(t, l)
				}
			})
		})
	}
	t.Logf("of 3000, %d began early, %d of the others found out late that there is no lock", early, late)
	if early < 100 || late < 10 {
		t.Errorf("%d began early and %d lost: the delays try too little", early, late)
	}
}
