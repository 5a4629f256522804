package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"holdfast/storage"
)

// ErrCrashed is what every operation returns after the crash. Code under
// test runs on for a while, as it does not know that it is dead, but can
// change nothing any more.
var ErrCrashed = errors.New("fault: the process has crashed")

// Crash says what becomes of the operation at which the process dies.
type Crash int

const (
	// CrashBefore: the operation does not happen.
	CrashBefore Crash = iota
	// CrashAfter: the operation happens, and nobody learns of it.
	CrashAfter
	// CrashTorn: a Put leaves a torn object under its key, as on a store that
	// breaks its contract; any other operation does not happen.
	CrashTorn
	// CrashMissing: a Put or Delete is acknowledged and does not happen, as
	// when a disk loses what it had in its cache; the crash comes at the next
	// operation.
	CrashMissing
)

func (c Crash) String() string {
	return [...]string{"before", "after", "torn", "missing"}[c]
}

// crash is the planned death.
type crash struct {
	n    int // number of the operation; 0: none
	mode Crash
}

// kills tells whether nothing is answered any more from operation n on. A
// write that goes missing is acknowledged first.
func (c crash) kills(n int) bool {
	if c.mode == CrashMissing {
		return c.n > 0 && n > c.n
	}
	return c.n > 0 && n >= c.n
}

func (c crash) fault(op Op) Fault {
	switch {
	case c.mode == CrashAfter:
		return After(ErrCrashed)
	case c.mode == CrashTorn && op == OpPut:
		return Cut(ErrCrashed)
	case c.mode == CrashMissing && op.Changes():
		return Missing()
	case c.mode == CrashMissing:
		return Fault{}
	default:
		return Before(ErrCrashed)
	}
}

// CrashAt makes the process die at the n-th operation counted from the first
// (1); it and all later ones return ErrCrashed.
func (s *Store) CrashAt(n int, mode Crash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crash = crash{n: n, mode: mode}
}

// Crashed tells whether the crash has come.
func (s *Store) Crashed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashed
}

// Replay runs a job again and again, and lets it die once at each operation
// it does, in each way of dying:
//
//	fault.Replay{
//		Fresh: func() storage.Store { return base.Clone() },
//		Job:   func(ctx context.Context, s storage.Store) error { return prune(ctx, s) },
//		Check: func(t *testing.T, left storage.Store) { wantSound(t, left) },
//	}.Run(t)
//
// Job must not hide failures by trying again for long: after the crash
// nothing works any more. When it runs operations in parallel, the n-th is
// not the same one every time; the runs then are samples.
type Replay struct {
	// Fresh makes the store as the job finds it, anew for each run. Cheap
	// copies of one prepared store come from mem.Store.Clone.
	Fresh func() storage.Store
	// Job is what dies. In the first run it does not, and must return nil.
	Job func(ctx context.Context, s storage.Store) error
	// Check judges what is left behind, without any faults.
	Check func(t *testing.T, left storage.Store)
	// Modes are the ways to die; CrashBefore, CrashAfter and CrashTorn if nil.
	Modes []Crash
	// Seed decides where objects are torn.
	Seed uint64
}

// Run does all runs as subtests, named after the operation died at.
func (r Replay) Run(t *testing.T) {
	t.Helper()
	calls := r.rehearse(t)
	modes := r.Modes
	if modes == nil {
		modes = []Crash{CrashBefore, CrashAfter, CrashTorn}
	}
	for _, call := range calls {
		for _, mode := range modes {
			if !worthDying(call.Op, mode) {
				continue
			}
			name := fmt.Sprintf("%s %04d %s %.20s", mode, call.N, call.Op, call.Key)
			t.Run(name, func(t *testing.T) { r.die(t, call.N, mode) })
		}
	}
}

// rehearse runs the job without a crash and returns its operations.
func (r Replay) rehearse(t *testing.T) []Call {
	t.Helper()
	s := New(r.Fresh(), r.Seed)
	if err := r.Job(t.Context(), s); err != nil {
		t.Fatalf("the job fails without any crash: %v", err)
	}
	r.Check(t, s.Store)
	return s.Calls()
}

// worthDying leaves out what another run tests already: an operation that
// changes nothing leaves the same behind in any mode.
func worthDying(op Op, mode Crash) bool {
	switch mode {
	case CrashTorn:
		return op == OpPut
	case CrashAfter, CrashMissing:
		return op.Changes()
	default:
		return true
	}
}

func (r Replay) die(t *testing.T, n int, mode Crash) {
	s := New(r.Fresh(), r.Seed)
	s.CrashAt(n, mode)
	err := r.Job(t.Context(), s)
	if err == nil && mode != CrashMissing {
		// Allowed for work whose result does not matter, such as removing
		// the lock at the end; Check decides.
		t.Logf("the job returned nil although operation %d crashed", n)
	}
	r.Check(t, s.Store)
}
