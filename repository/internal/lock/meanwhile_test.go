package lock

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// reads counts the runs of a Meanwhile that takes a while.
type reads struct {
	takes  time.Duration
	fail   int // so many runs, the first ones
	begun  []time.Duration
	ended  []error
	origin time.Time
}

func (r *reads) read(ctx context.Context) error {
	r.begun = append(r.begun, time.Since(r.origin))
	err := sleep(ctx, r.takes)
	if err == nil && len(r.begun) <= r.fail {
		err = errors.New("a file that was listed is gone")
	}
	r.ended = append(r.ended, err)
	return err
}

func later(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error { return sleep(ctx, d) }
}

func TestMeanwhileRunsWhileTheLockSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const trip = 50 * time.Millisecond
		f := newFolder()
		f.onSave, f.onList = later(trip), later(trip)
		r := &reads{takes: 2 * trip, origin: time.Now()}
		l, _ := acquire(t, f, Options{Meanwhile: r.read})
		// Beside each other: the first look and the lock, then waiting and reading.
		if got, want := time.Since(r.origin), trip+settleTime+trip; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
		if fmt.Sprint(r.begun) != fmt.Sprint([]time.Duration{trip}) || r.ended[0] != nil {
			t.Errorf("read at %v, which ended with %v; want once, when the lock was written", r.begun, r.ended)
		}
		unlock(t, l)
	})
}

// A lock that took long to write may have been overlooked by somebody who is at
// work, and done before the second look.
func TestMeanwhileWaitsWhereItCannotBeBelieved(t *testing.T) {
	for name, o := range map[string]Options{"a slow store": {}, "an exclusive lock": {Exclusive: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				f.onSave = later(settleTime)
				r := &reads{takes: time.Millisecond, origin: time.Now()}
				o.Meanwhile = r.read
				l, _ := acquire(t, f, o)
				if fmt.Sprint(r.begun) != fmt.Sprint([]time.Duration{2 * settleTime}) {
					t.Errorf("read at %v, want once, under the lock", r.begun)
				}
				unlock(t, l)
			})
		})
	}
	// The clock that stands still in a suspend says that no time has passed.
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		var slept time.Duration
		f.onSave = func(context.Context) error { slept = time.Hour; return nil }
		r := &reads{origin: time.Now()}
		l, _ := acquire(t, f, Options{Meanwhile: r.read, Now: func() time.Time { return time.Now().Add(slept) }})
		if fmt.Sprint(r.begun) != fmt.Sprint([]time.Duration{settleTime}) {
			t.Errorf("read at %v, want once, under the lock", r.begun)
		}
		unlock(t, l)
	})
}

func TestMeanwhileThatFailsRunsAgainUnderTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{fail: 1, origin: time.Now()}
		l, _ := acquire(t, newFolder(), Options{Meanwhile: r.read})
		if len(r.begun) != 2 || r.begun[1] != settleTime {
			t.Errorf("read at %v", r.begun)
		}
		unlock(t, l)
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		r := &reads{fail: 2, origin: time.Now()}
		if _, _, err := Acquire(t.Context(), f, Options{Meanwhile: r.read}); !errors.Is(err, r.ended[1]) {
			t.Errorf("Acquire = %v, want %v", err, r.ended[1])
		}
		if n := len(f.ids()); n != 0 {
			t.Errorf("%d locks are left", n)
		}
	})
}

// Whoever loses against another program leaves nothing running, and no lock.
func TestMeanwhileEndsWithAConflict(t *testing.T) {
	type step struct {
		name   string
		theirs func(t *testing.T, f *folder)
		runs   int
	}
	for _, test := range []step{
		{"seen at first", func(t *testing.T, f *folder) { f.put(t, other(true)) }, 0},
		{"seen when looking again", func(t *testing.T, f *folder) {
			time.AfterFunc(settleTime/2, func() { f.put(t, other(true)) })
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				test.theirs(t, f)
				r := &reads{takes: time.Hour, origin: time.Now()}
				_, _, err := Acquire(t.Context(), f, Options{Meanwhile: r.read})
				var conflict *ConflictError
				if !errors.As(err, &conflict) || !conflict.Other.Exclusive {
					t.Errorf("Acquire = %v", err)
				}
				if len(r.begun) != test.runs || len(r.ended) != test.runs || test.runs > 0 && !errors.Is(r.ended[0], context.Canceled) {
					t.Errorf("read at %v, which ended with %v", r.begun, r.ended)
				}
				if n := len(f.ids()); n != 1 {
					t.Errorf("%d locks are there, want the other one's", n)
				}
			})
		})
	}
}

func TestWaitingWithMeanwhileLooksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		theirs := f.put(t, other(true))
		time.AfterFunc(10*time.Minute, func() { f.drop(theirs) })
		r := &reads{origin: time.Now()}
		l, _ := acquire(t, f, Options{Retry: time.Hour, Meanwhile: r.read})
		if len(r.begun) != 1 {
			t.Errorf("read %d times", len(r.begun))
		}
		unlock(t, l)
		if saved := f.calls(); len(saved) != 4 { // one in a hurry, one that was kept; both removed
			t.Errorf("calls: %v", saved)
		}
	})
}

func TestMeanwhileEndsWithItsCaller(t *testing.T) {
	for name, trouble := range map[string]func(f *folder, cancel func()){
		"while settling":   func(_ *folder, cancel func()) { time.AfterFunc(settleTime/2, cancel) },
		"while reading on": func(_ *folder, cancel func()) { time.AfterFunc(2*settleTime, cancel) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				trouble(f, cancel)
				r := &reads{takes: time.Hour, origin: time.Now()}
				if _, _, err := Acquire(ctx, f, Options{Meanwhile: r.read}); !errors.Is(err, context.Canceled) {
					t.Errorf("Acquire = %v", err)
				}
				if time.Since(r.origin) > 3*settleTime || len(f.ids()) != 0 {
					t.Errorf("it took %v and left %d locks", time.Since(r.origin), len(f.ids()))
				}
			})
		})
	}
}

// Either side of looking and writing at once may fail.
func TestAFailureBesideTheFirstLook(t *testing.T) {
	failure := errors.New("no")
	fails := func(context.Context) error { return failure }
	for name, set := range map[string]func(f *folder){
		"the look":           func(f *folder) { f.onList = fails },
		"the lock":           func(f *folder) { f.onSave = fails },
		"the answer is lost": func(f *folder) { f.loseAnswer = failure },
		"both":               func(f *folder) { f.onList, f.onSave = fails, fails },
		"the look, at length": func(f *folder) {
			f.onList = func(ctx context.Context) error { return errors.Join(sleep(ctx, time.Second), failure) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder()
				set(f)
				r := &reads{origin: time.Now()}
				if _, _, err := Acquire(t.Context(), f, Options{Meanwhile: r.read}); !errors.Is(err, failure) {
					t.Errorf("Acquire = %v", err)
				}
				if len(r.begun) != 0 || len(f.ids()) != 0 {
					t.Errorf("read %d times, %d locks are left", len(r.begun), len(f.ids()))
				}
			})
		})
	}
}

// What Meanwhile has read is still true when Acquire returns, whatever the
// delays of a store and whoever else is at work: here somebody who changes
// everything under an exclusive lock.
func TestWhatMeanwhileReadsIsTrueUnderTheLock(t *testing.T) {
	early, taken := 0, 0
	for seed := range uint64(3000) {
		synctest.Test(t, func(t *testing.T) {
			withRival(t, seed, 1, 3*settleTime, func(f *folder, state *int) {
				saw, runs, asked := -1, 0, time.Now()
				var at time.Duration
				l, _, err := Acquire(t.Context(), f, Options{Meanwhile: func(context.Context) error {
					saw, at = *state, time.Since(asked)
					runs++
					return nil
				}})
				if err == nil {
					taken++
					if at < time.Since(asked) {
						early++
					}
					if saw != *state || runs != 1 {
						t.Errorf("seed %d: read %d in %d runs, and now it is %d", seed, saw, runs, *state)
					}
					time.Sleep(settleTime)
					if saw != *state {
						t.Errorf("seed %d: it changed under the lock", seed)
					}
					unlock(t, l)
				}
			})
		})
	}
	t.Logf("of 3000, %d got the lock, %d of them read before it was certain", taken, early)
	if early < 100 || taken-early < 100 {
		t.Errorf("%d of %d read early: the delays try only one of the two ways", early, taken)
	}
}
