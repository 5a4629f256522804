package lock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository/id"
)

// clock is a wall clock that can be set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
func wantLost(t *testing.T, ctx context.Context) {
	t.Helper()
	synctest.Wait()
	if !errors.Is(context.Cause(ctx), ErrLost) {
		t.Errorf("the context's cause is %v, want ErrLost", context.Cause(ctx))
	}
}

func wantHeld(t *testing.T, ctx context.Context) {
	t.Helper()
	synctest.Wait()
	if ctx.Err() != nil {
		t.Errorf("the lock is not held any more: %v", context.Cause(ctx))
	}
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		l, ctx := acquire(t, f, Options{Exclusive: true})
		first, _ := f.only(t)
		time.Sleep(refreshInterval + 2*monitorInterval)
		second, info := f.only(t)
		if first == second || time.Since(info.Time) > 2*monitorInterval || !info.Exclusive {
			t.Errorf("not refreshed: %v", info)
		}
		if want := []string{"save", "save", "remove"}; !slices.Equal(f.calls(), want) {
			t.Errorf("did %v, want %v", f.calls(), want)
		}
		for range 100 { // eight hours
			time.Sleep(refreshInterval)
			if _, info := f.only(t); time.Since(info.Time) > refreshInterval+2*monitorInterval {
				t.Fatalf("lock is %v old", time.Since(info.Time))
			}
		}
		wantHeld(t, ctx)
		unlock(t, l)
		unlock(t, l)
		if len(f.ids()) != 0 || !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("%d files after Unlock, cause %v", len(f.ids()), context.Cause(ctx))
		}
	})
}

func TestLossByFailingRefreshes(t *testing.T) {
	errStore := errors.New("store is down")
	hang := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	for name, down := range map[string]func(context.Context) error{
		"errors": func(context.Context) error { return errStore },
		"hangs":  hang,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				warned := 0
				l, ctx := acquire(t, f, Options{Warn: func(error) { warned++ }})
				start := time.Now().Add(-settleTime)
				f.change(func() { f.onSave, f.onList = down, down })
				<-ctx.Done()
				wantLost(t, ctx)
				if age := time.Since(start); age < refreshDeadline || age >= StaleAfter {
					t.Errorf("lost after %v, want %v to %v", age, refreshDeadline, StaleAfter)
				}
				if warned == 0 || warned > 20 {
					t.Errorf("warned %d times", warned)
				}
				unlock(t, l)
			})
		})
	}
}

func TestStoreComesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		l, ctx := acquire(t, f, Options{})
		f.change(func() { f.onSave = func(context.Context) error { return errors.New("down") } })
		time.Sleep(20 * time.Minute)
		f.change(func() { f.onSave = nil })
		time.Sleep(10 * time.Minute)
		wantHeld(t, ctx)
		f.only(t)
		unlock(t, l)
	})
}

// An old file that cannot be deleted is no failed refresh. It is deleted
// later.
func TestOldFileCannotBeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		var warned []error
		l, ctx := acquire(t, f, Options{Warn: func(err error) { warned = append(warned, err) }})
		f.change(func() { f.onRemove = func(context.Context, id.ID) error { return errors.New("not now") } })
		time.Sleep(3*refreshInterval + 10*monitorInterval)
		synctest.Wait()
		if len(f.ids()) != 4 || len(warned) != 3 {
			t.Errorf("%d files, %d warnings; want 4 and 3", len(f.ids()), len(warned))
		}
		f.change(func() { f.onRemove = nil })
		time.Sleep(refreshInterval + monitorInterval)
		wantHeld(t, ctx)
		f.only(t)
		unlock(t, l)
		if len(f.ids()) != 0 {
			t.Error("lock files are left")
		}
	})
}

// A refresh whose answer is lost leaves a file nobody names, until it is
// swept.
func TestAnswerOfRefreshLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		l, ctx := acquire(t, f, Options{})
		f.change(func() { f.loseAnswer = errors.New("answer lost") })
		time.Sleep(refreshInterval + 2*monitorInterval)
		f.change(func() { f.loseAnswer = nil })
		time.Sleep(2 * refreshRetry)
		wantHeld(t, ctx)
		f.only(t)
		unlock(t, l)
		if len(f.ids()) != 0 {
			t.Error("lock files are left")
		}
	})
}

func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		var wall clock
		var frozen atomic.Bool
		freezes := 0
		o := Options{Now: wall.now, Freeze: func() func() {
			freezes++
			frozen.Store(true)
			return func() { frozen.Store(false) }
		}}
		l, ctx := acquire(t, f, o)
		before, _ := f.only(t)
		f.change(func() {
			f.onSave = func(context.Context) error {
				if !frozen.Load() {
					t.Error("the lock is revived while other work goes on")
				}
				return nil
			}
		})
		wall.advance(3 * time.Hour)
		time.Sleep(2 * monitorInterval)
		wantHeld(t, ctx)
		after, info := f.only(t)
		if before == after || wall.now().Sub(info.Time) > time.Minute || freezes != 1 || frozen.Load() {
			t.Errorf("not revived: %d freezes, frozen %v, lock from %v", freezes, frozen.Load(), info.Time)
		}
		unlock(t, l)
	})
}

func TestLockRemovedDuringSuspend(t *testing.T) {
	tests := map[string]func(f *folder, held id.ID){
		"before": func(f *folder, held id.ID) { f.drop(held) },
		"while it is revived": func(f *folder, held id.ID) {
			f.change(func() { f.onSave = func(context.Context) error { f.drop(held); return nil } })
		},
		"store down": func(f *folder, _ id.ID) {
			f.change(func() { f.onList = func(context.Context) error { return errors.New("down") } })
		},
		"store hangs": func(f *folder, _ id.ID) {
			f.change(func() { f.onList = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() } })
		},
	}
	for name, during := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				var wall clock
				var ctx context.Context
				var thawed time.Time
				o := Options{Now: wall.now, Freeze: func() func() {
					return func() {
						thawed = time.Now()
						if ctx.Err() == nil {
							t.Error("other work goes on before the context has ended")
						}
					}
				}}
				l, locked := acquire(t, f, o)
				ctx = locked
				held, _ := f.only(t)
				during(f, held)
				wall.advance(time.Hour)
				<-ctx.Done()
				wantLost(t, ctx)
				if thawed.IsZero() {
					t.Error("never thawed")
				}
				f.change(func() { f.onList, f.onSave = nil, nil })
				unlock(t, l)
				if len(f.ids()) != 0 {
					t.Error("a lock file is left")
				}
			})
		})
	}
}

// The machine sleeps while a refresh is on its way. Another program takes the
// stale lock away; the refresh that then succeeds must not count.
func TestSuspendDuringRefresh(t *testing.T) {
	for _, removed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder()
			var wall clock
			l, ctx := acquire(t, f, Options{Now: wall.now})
			held, _ := f.only(t)
			var once sync.Once
			f.change(func() {
				f.onSave = func(context.Context) error {
					once.Do(func() {
						wall.advance(time.Hour)
						if removed {
							f.drop(held)
						}
					})
					return nil
				}
			})
			time.Sleep(refreshInterval + 5*monitorInterval)
			if removed {
				wantLost(t, ctx)
			} else {
				wantHeld(t, ctx)
				f.only(t)
			}
			unlock(t, l)
			if len(f.ids()) != 0 {
				t.Error("lock files are left")
			}
		})
	}
}

// Others judge a lock by their own clocks: one that is set back here must
// not delay the refreshes.
func TestWallClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		var wall clock
		l, _ := acquire(t, f, Options{Now: wall.now})
		first, _ := f.only(t)
		wall.advance(-24 * time.Hour)
		time.Sleep(refreshInterval + 2*monitorInterval)
		if second, _ := f.only(t); first == second {
			t.Error("not refreshed")
		}
		unlock(t, l)
	})
}

// The lock stays until the work under it has really ended.
func TestCancelledWorkKeepsTheLockUntilUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		parent, cancel := context.WithCancel(t.Context())
		l, ctx, err := Acquire(parent, f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-ctx.Done()
		time.Sleep(time.Minute)
		f.only(t)
		unlock(t, l)
		if len(f.ids()) != 0 {
			t.Error("the lock file is left")
		}
	})
}

func TestUnlockReportsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		l, _ := acquire(t, f, Options{})
		f.change(func() { f.onRemove = func(ctx context.Context, _ id.ID) error { <-ctx.Done(); return ctx.Err() } })
		if err := l.Unlock(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Unlock = %v", err)
		}
	})
}

// An exclusive lock becomes a shared one, and lets in others that share.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		l, ctx := acquire(t, f, Options{Exclusive: true})
		if _, _, err := Acquire(t.Context(), f, Options{}); err == nil {
			t.Error("an exclusive lock was shared")
		}
		if err := l.Share(ctx); err != nil {
			t.Fatal(err)
		}
		if _, info := f.only(t); info.Exclusive {
			t.Errorf("it is %v", info)
		}
		wantHeld(t, ctx)
		other, _ := acquire(t, f, Options{})
		time.Sleep(refreshInterval + 2*monitorInterval)
		wantHeld(t, ctx)
		unlock(t, l)
		unlock(t, other)
		if len(f.ids()) != 0 {
			t.Errorf("%d files after Unlock", len(f.ids()))
		}
		if err := l.Share(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("a lock that was released was shared: %v", err)
		}
	})
}
