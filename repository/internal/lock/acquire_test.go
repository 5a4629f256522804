package lock

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository/id"
	"holdfast/storage"
)

func acquire(t *testing.T, f Files, o Options) (*Lock, context.Context) {
	t.Helper()
	l, ctx, err := Acquire(t.Context(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, ctx
}

func unlock(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestSharedAndExclusive(t *testing.T) {
	for _, test := range []struct {
		held, wanted, ok bool
	}{{false, false, true}, {false, true, false}, {true, false, false}, {true, true, false}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder()
			first, _ := acquire(t, f, Options{Exclusive: test.held})
			second, _, err := Acquire(t.Context(), f, Options{Exclusive: test.wanted})
			if (err == nil) != test.ok {
				t.Errorf("held exclusively: %v, wanted exclusively: %v: %v", test.held, test.wanted, err)
			}
			var conflict *ConflictError
			if err != nil && (!errors.As(err, &conflict) || conflict.Other.Exclusive != test.held || conflict.Stale) {
				t.Errorf("unexpected error %#v", err)
			}
			if err == nil {
				unlock(t, second)
			}
			unlock(t, first)
			if n := len(f.ids()); n != 0 {
				t.Errorf("%d lock files are left", n)
			}
		})
	}
}

func TestAcquireSettlesBeforeItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l, _ := acquire(t, newFolder(), Options{})
		if got := time.Since(start); got != settleTime {
			t.Errorf("took %v, want %v", got, settleTime)
		}
		unlock(t, l)
	})
}

// Two programs that write at the same instant see each other when they look
// again. At most one stays; with a retry one after the other gets the lock.
func TestStartingTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		f.onSave = slowly
		var got, holding atomic.Int32
		run := func() {
			l, _, err := Acquire(t.Context(), f, Options{Exclusive: true, Retry: 10 * time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			if holding.Add(1) != 1 {
				t.Error("two hold the lock exclusively")
			}
			time.Sleep(time.Second)
			got.Add(1)
			holding.Add(-1)
			unlock(t, l)
		}
		for range 3 {
			go run()
		}
		time.Sleep(time.Hour)
		if got.Load() != 3 {
			t.Errorf("%d of 3 got the lock", got.Load())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		f.onSave = slowly
		type result struct {
			l   *Lock
			err error
		}
		results := make(chan result, 2)
		for range 2 {
			go func() {
				l, _, err := Acquire(t.Context(), f, Options{Exclusive: true})
				results <- result{l, err}
			}()
		}
		var conflict *ConflictError
		got := 0
		for range 2 {
			if r := <-results; r.err == nil {
				got++
				defer unlock(t, r.l)
			} else if !errors.As(r.err, &conflict) {
				t.Errorf("got %v, want a conflict", r.err)
			}
		}
		// Both may back out; the slower one to look again may stay.
		if got > 1 || len(f.ids()) != got {
			t.Errorf("%d got the lock, %d lock files", got, len(f.ids()))
		}
	})
}

// slowly lets the others look before this one's lock is there.
func slowly(context.Context) error { time.Sleep(time.Millisecond); return nil }

func TestWaitingForALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		theirs := f.put(t, other(true))
		waiting := 0
		start := time.Now()
		time.AfterFunc(2*time.Minute, func() { f.drop(theirs) })
		l, _ := acquire(t, f, Options{Retry: time.Hour, Waiting: func(by *ConflictError) { waiting++ }})
		if took := time.Since(start); took < 2*time.Minute || took > 2*time.Minute+retryWaitMax+settleTime {
			t.Errorf("waited %v", took)
		}
		if waiting != 1 {
			t.Errorf("Waiting was called %d times", waiting)
		}
		unlock(t, l)
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		f.put(t, other(true))
		start := time.Now()
		_, _, err := Acquire(t.Context(), f, Options{Retry: 7 * time.Minute})
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			t.Errorf("got %v, want a conflict", err)
		}
		if took := time.Since(start); took != 7*time.Minute {
			t.Errorf("gave up after %v, want 7m", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := Acquire(ctx, f, Options{Retry: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's end", err)
		}
	})
}

func TestLocksThatDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		f.put(t, "") // left by a crash
		gone := f.put(t, other(true))
		f.onLoad = func(_ context.Context, i id.ID) error {
			if i == gone {
				return storage.ErrNotFound // released since it was listed
			}
			return nil
		}
		l, _ := acquire(t, f, Options{Exclusive: true})
		unlock(t, l)
	})
}

func TestUnreadableLocks(t *testing.T) {
	errRead := errors.New("unreadable")
	for _, readableAfter := range []time.Duration{0, 4 * time.Second, 14 * time.Second, 34 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder()
			f.put(t, other(false))
			start := time.Now()
			f.onLoad = func(context.Context, id.ID) error {
				if time.Since(start) < readableAfter {
					return errRead
				}
				return nil
			}
			l, _ := acquire(t, f, Options{})
			unlock(t, l)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		f.put(t, "not a lock")
		start := time.Now()
		_, _, err := Acquire(t.Context(), f, Options{Retry: time.Hour})
		var unreadable *UnreadableError
		if !errors.As(err, &unreadable) || !strings.Contains(err.Error(), "unlock --remove-all") {
			t.Errorf("got %v, want an unreadable lock and the next step", err)
		}
		if took := time.Since(start); took != 35*time.Second {
			t.Errorf("gave up after %v, want 5+10+20 s", took)
		}
		if len(f.ids()) != 1 {
			t.Error("the lock of the other program is gone, or ours is left")
		}
	})
}

func TestFailedAcquireLeavesNothing(t *testing.T) {
	errStore := errors.New("store is down")
	tests := map[string]func(f *folder, cancel context.CancelFunc){
		"answer of write lost":       func(f *folder, _ context.CancelFunc) { f.loseAnswer = errStore },
		"cancelled while it settles": func(_ *folder, cancel context.CancelFunc) { time.AfterFunc(settleTime/2, cancel) },
		"second look fails":          func(f *folder, _ context.CancelFunc) { f.onList = failAfter(1, errStore) },
		"cancelled as it was written": func(f *folder, cancel context.CancelFunc) {
			f.onSave = func(context.Context) error { go cancel(); return nil }
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				prepare(f, cancel)
				if _, _, err := Acquire(ctx, f, Options{}); err == nil {
					t.Error("no error")
				}
				if n := len(f.ids()); n != 0 {
					t.Errorf("%d lock files are left", n)
				}
			})
		})
	}
}

// failAfter lets n calls pass.
func failAfter(n int, err error) func(context.Context) error {
	return func(context.Context) error {
		if n--; n >= 0 {
			return nil
		}
		return err
	}
}
