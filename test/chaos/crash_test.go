package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// job is work that is cut off, once at each of its operations in each way.
type job struct {
	// base is the store as the job finds it, known what it holds, and cache
	// the cache folder before; "" for none.
	base  *mem.Store
	known record
	cache string
	// run does the work and returns the snapshot it made, if it made one.
	run func(ctx context.Context, p process) (id.ID, error)
	// makes is the content of that snapshot.
	makes content
	// alone tells that it locks others out, and is kept out by the locks of
	// the dead until they are removed.
	alone bool
	// judged is about how many outcomes restic judges.
	judged int
}

// end is one way in which a job ends too early.
type end struct {
	name string
	at   fault.Call
	// set makes the store do it.
	set func(s *fault.Store)
	// lies tells that the store broke its contract: it tore an object or lost
	// one that it had acknowledged.
	lies bool
}

// ends lists all ways in which a job of these operations may be cut off.
func ends(calls []fault.Call) []end {
	var all []end
	puts := 0
	for _, c := range calls {
		crash := func(mode fault.Crash, lies bool) {
			all = append(all, end{name: mode.String(), at: c, lies: lies, set: func(s *fault.Store) { s.CrashAt(c.N, mode) }})
		}
		crash(fault.CrashBefore, false)
		if c.Op.Changes() {
			crash(fault.CrashAfter, false)
			crash(fault.CrashMissing, true)
		}
		if c.Op == fault.OpPut {
			crash(fault.CrashTorn, true)
			full := fault.Rule{Op: fault.OpPut, Skip: puts, Fault: fault.Full()}
			all = append(all, end{name: "full", at: c, set: func(s *fault.Store) { s.Add(full) }})
			puts++
		}
	}
	return all
}

// cutOffEverywhere runs the job to its end once, to learn its operations, and
// then once for every way in which it may be cut off.
func (j job) cutOffEverywhere(t *testing.T) {
	t.Helper()
	var calls []fault.Call
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(j.base.Clone(), 0)
		made, err := j.run(t.Context(), j.process(t, s))
		if err != nil {
			t.Fatalf("the job fails without any fault: %v", err)
		}
		j.known.with(made, j.makes).wantKept(t, s)
		calls = s.Calls()
	})
	all := ends(calls)
	judge := newJudge(t, j.judged, len(all))
	for _, e := range all {
		t.Run(fmt.Sprintf("%s %03d %s %.12s", e.name, e.at.N, e.at.Op, e.at.Key), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { j.cutOff(t, e, judge) })
		})
	}
}

func (j job) process(t *testing.T, s storage.Store) process {
	cache := t.TempDir()
	copyFolder(t, j.cache, cache)
	return process{store: s, cache: cache, host: "host"}
}

// cutOff runs the job until its early end, and looks at what is left.
func (j job) cutOff(t *testing.T, e end, judge *judge) {
	s := fault.New(j.base.Clone(), uint64(e.at.N))
	e.set(s)
	p := j.process(t, s)
	made, err := j.run(t.Context(), p)
	if e.name == "full" && !errors.Is(err, storage.ErrFull) {
		t.Errorf("the job does not say that the store is full: %v", err)
	}
	if e.lies {
		made = id.ID{} // what the store claimed to have is not the program's fault
	}
	left := s.Unwrap()
	if e.name == fault.CrashTorn.String() {
		removeTorn(t, left, s.Calls()[e.at.N-1].Key)
	}
	known := j.known.with(made, j.makes)
	known.wantKept(t, left)
	if has(t, left, "config") {
		judge.wantSound(t, left)
	}

	// The next run on the same machine succeeds, whatever the dead one left.
	p.store = left
	if j.alone {
		time.Sleep(time.Hour)
		removeStaleLocks(t, left)
	}
	again, err := j.run(t.Context(), p)
	if err != nil && !errors.Is(err, repository.ErrExists) {
		t.Fatalf("the next run fails: %v", err)
	}
	known.with(again, j.makes).wantKept(t, left)
	judge.wantSound(t, left)
}

// removeTorn takes away what only a store that breaks its contract leaves: a
// torn file. It is damage, which check names and repair removes; torn packs
// are left to the next run to cope with.
func removeTorn(t *testing.T, left storage.Store, key string) {
	t.Helper()
	if strings.HasPrefix(key, "data/") {
		return
	}
	if err := left.Delete(t.Context(), key); err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
}

func has(t *testing.T, s storage.Store, key string) bool {
	t.Helper()
	_, err := s.Stat(t.Context(), key)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}
