package lock

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository/id"
)

// ofTheDead is the lock of a process of this machine that was killed.
func ofTheDead(t *testing.T) Info {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	was, err := readStat(strconv.Itoa(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	i := newInfo(true)
	i.Time, i.PID, i.Process.Start = time.Now(), cmd.Process.Pid, was.start
	return i
}

// What a killed process of this machine left stands in nobody's way, whether
// they wait or not.
func TestLocksOfTheDeadAreRemoved(t *testing.T) {
	dead := ofTheDead(t)
	came := newInfo(true) // the PID came again
	came.Time = time.Now()
	came.Process.Start--
	for _, retry := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder()
			f.put(t, dead)
			f.put(t, came)
			start := time.Now()
			l, _ := acquire(t, f, Options{Exclusive: true, Retry: retry})
			if took := time.Since(start); took != deathWait+settleTime {
				t.Errorf("waited %v", took)
			}
			if n := len(f.ids()); n != 1 {
				t.Errorf("%d lock files beside ours", n-1)
			}
			unlock(t, l)
		})
	}
}

// Who is certainly dead only if this were the same machine, the same start of
// it, or the same container, may live.
func TestLocksOfOthersStay(t *testing.T) {
	for name, change := range map[string]func(i *Info){
		"another boot":         func(i *Info) { i.Process.Boot = "another" },
		"another PID space":    func(i *Info) { i.Process.Namespace = "pid:[1]" },
		"of another program":   func(i *Info) { i.Process = Process{} },
		"of this very process": func(i *Info) { i.PID, i.Process = os.Getpid(), thisProcess() },
	} {
		lock := ofTheDead(t)
		change(&lock)
		synctest.Test(t, func(t *testing.T) {
			f := newFolder()
			f.put(t, lock)
			var conflict *ConflictError
			if _, _, err := Acquire(t.Context(), f, Options{Retry: time.Minute}); !errors.As(err, &conflict) || len(f.ids()) != 1 {
				t.Errorf("%s: got %v, and %d locks are left", name, err, len(f.ids()))
			}
		})
	}
}

// A store that goes on listing a lock that was removed holds nobody up for
// ever.
func TestLocksOfTheDeadThatCannotGo(t *testing.T) {
	dead := ofTheDead(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFolder()
		f.put(t, dead)
		f.onRemove = func(context.Context, id.ID) error { f.put(t, dead); return nil }
		start := time.Now()
		var conflict *ConflictError
		if _, _, err := Acquire(t.Context(), f, Options{}); !errors.As(err, &conflict) {
			t.Errorf("got %v, want a conflict", err)
		}
		if took := time.Since(start); took != maxBurials*deathWait {
			t.Errorf("gave up after %v", took)
		}
	})
}
