package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/history"
)

var start = time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)

func run(n int) history.Run {
	began := start.Add(time.Duration(n) * time.Minute)
	return history.Run{
		ID: fmt.Sprintf("run-%07d", n), Plan: fmt.Sprintf("plan-%03d", n%7), Source: "www", Repository: "local",
		Job: history.Backup, Type: "incremental", Trigger: history.Schedule,
		Due: began, Started: began, Ended: began.Add(30 * time.Second), Attempt: 1, Outcome: history.Succeeded,
		Phases: []history.Phase{{Name: "scan", Started: began, Took: time.Second}, {Name: "save", Started: began, Took: time.Minute}},
		Bytes:  uint64(n) << 20, Added: uint64(n) << 10, Files: uint64(n),
		Snapshots: []string{"0f5a77f5b1e7d5a7cc24a3a7d2ea4b07a1d3f6c44b0a1ad2f2f1e0c5d8b3a9e1"},
	}
}

func open(t *testing.T, opts history.Options) *history.History {
	t.Helper()
	h, err := history.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func add(t *testing.T, h *history.History, runs ...history.Run) {
	t.Helper()
	for _, r := range runs {
		if err := h.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(runs []history.Run) string {
	var all []string
	for _, r := range runs {
		all = append(all, strings.TrimLeft(strings.TrimPrefix(r.ID, "run-"), "0"))
	}
	return strings.Join(all, " ")
}

func TestRunsAreFoundAgain(t *testing.T) {
	dir := t.TempDir()
	h := open(t, history.Options{Dir: dir})
	for n := 1; n <= 40; n++ {
		r := run(n)
		if n%10 == 0 {
			r.Outcome, r.Job, r.Reason = history.Failed, history.Check, "no route to host\nreally"
		}
		add(t, h, r)
	}
	for _, again := range []bool{false, true} {
		if again {
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			h = open(t, history.Options{Dir: dir})
		}
		for _, c := range []struct {
			filter history.Filter
			want   string
		}{
			{history.Filter{Limit: 3}, "40 39 38"},
			{history.Filter{Plan: "plan-003"}, "38 31 24 17 10 3"},
			{history.Filter{Plan: "plan-003", Limit: 2}, "38 31"},
			{history.Filter{Outcome: history.Failed}, "40 30 20 10"},
			{history.Filter{Job: history.Check, Since: run(20).Ended, Until: run(30).Ended}, "30 20"},
			{history.Filter{Plan: "nobody"}, ""},
			{history.Filter{Source: "nobody"}, ""},
		} {
			got, err := h.Select(c.filter)
			if err != nil || ids(got) != c.want {
				t.Errorf("%+v: got %q and %v, want %q", c.filter, ids(got), err, c.want)
			}
		}
		last, err := h.Last("plan-003", 2)
		if err != nil || ids(last) != "38 31" {
			t.Errorf("last: %q, %v", ids(last), err)
		}
		if got, want := fmt.Sprint(last[0]), fmt.Sprint(run(38)); got != want {
			t.Errorf("a run came back as\n%s\nnot as\n%s", got, want)
		}
		if n, _ := h.Count(); n != 40 || len(h.Plans()) != 7 {
			t.Errorf("%d runs of %d plans", n, len(h.Plans()))
		}
	}
}

// A machine that crashes in the middle of a write leaves any part of the
// line: the run is not there, all others are, and the next one is.
func TestATornLineIsCutOff(t *testing.T) {
	dir := t.TempDir()
	h := open(t, history.Options{Dir: dir})
	add(t, h, run(1), run(2))
	_, whole := h.Count()
	add(t, h, run(3))
	path := filepath.Join(dir, "0000000001.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{whole + 1, whole + 9, whole + 100, int64(len(text)) - 1} {
		if err := os.WriteFile(path, text[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		h := open(t, history.Options{Dir: dir})
		add(t, h, run(4))
		got, err := h.Select(history.Filter{})
		if err != nil || ids(got) != "4 2 1" {
			t.Errorf("cut at %d: %q, %v", size, ids(got), err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedLineIsReportedAndTheOthersAreRead(t *testing.T) {
	dir := t.TempDir()
	h := open(t, history.Options{Dir: dir})
	add(t, h, run(1), run(2), run(3))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "0000000001.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, []byte("run-0000002"))
	text[at+10] = '7'
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h = open(t, history.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "damaged") {
		t.Errorf("the log says %q", &log)
	}
	got, err := h.Select(history.Filter{})
	if !errors.Is(err, history.ErrDamaged) || ids(got) != "3 1" {
		t.Errorf("got %q, %v", ids(got), err)
	}
}

// many writes runs as they would be written over time, without the flush that
// each costs.
func many(t *testing.T, dir string, from, count int) {
	t.Helper()
	h := open(t, history.Options{Dir: dir, Now: func() time.Time { return start }, MaxAge: 1 << 62})
	add(t, h, run(from))
	for n := from + 1; n < from+count; n++ {
		if err := h.AppendUnflushed(run(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSegmentsAreSealedAndRead(t *testing.T) {
	dir := t.TempDir()
	const count = 20_000
	many(t, dir, 1, count)
	sealed, err := filepath.Glob(filepath.Join(dir, "*.zst"))
	if err != nil || len(sealed) < 2 {
		t.Fatalf("%d segments are sealed, %v", len(sealed), err)
	}
	check := func(h *history.History) {
		t.Helper()
		if n, _ := h.Count(); n != count {
			t.Errorf("%d runs, want %d", n, count)
		}
		got, err := h.Select(history.Filter{})
		if err != nil || len(got) != count || got[count-1].ID != run(1).ID || got[0].ID != run(count).ID {
			t.Fatalf("%d runs, %v", len(got), err)
		}
		got, err = h.Last("plan-001", 5000) // more than are in memory
		if err != nil || len(got) != count/7+1 {
			t.Errorf("%d runs, %v", len(got), err)
		}
		got, err = h.Select(history.Filter{Since: run(100).Ended, Until: run(109).Ended})
		if err != nil || len(got) != 10 {
			t.Errorf("%d runs of ten minutes, %v", len(got), err)
		}
		pages, after := "", run(14_000).ID
		for range 3 {
			got, err = h.Select(history.Filter{Plan: "plan-001", After: after, Limit: 2})
			if err != nil || len(got) != 2 {
				t.Fatalf("%d runs after %s, %v", len(got), after, err)
			}
			pages, after = pages+" "+ids(got), got[1].ID
		}
		if pages != " 13994 13987 13980 13973 13966 13959" {
			t.Errorf("pages of%s", pages)
		}
		if _, err := h.Select(history.Filter{After: "nothing"}); !errors.Is(err, history.ErrNoRun) {
			t.Errorf("after nothing: %v", err)
		}
		one, err := h.Get(run(777).ID)
		if err != nil || one.Bytes != 777<<20 {
			t.Errorf("%+v, %v", one, err)
		}
		if _, err := h.Get("run"); !errors.Is(err, history.ErrNoRun) {
			t.Errorf("what is not there: %v", err)
		}
	}
	h := open(t, history.Options{Dir: dir})
	check(h)
	check(open(t, history.Options{Dir: dir, ReadOnly: true}))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	t.Run("without summaries", func(t *testing.T) {
		for _, path := range sealed {
			if err := os.Remove(strings.Replace(path, ".jsonl.zst", ".summary.json", 1)); err != nil {
				t.Fatal(err)
			}
		}
		check(open(t, history.Options{Dir: dir}))
	})
	t.Run("killed while sealing", func(t *testing.T) {
		unseal(t, sealed[0])
		cut, err := os.ReadFile(sealed[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(sealed[0], cut[:len(cut)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		check(open(t, history.Options{Dir: dir}))
		if _, err := os.Stat(strings.TrimSuffix(sealed[0], ".zst")); err == nil {
			t.Error("the segment is not sealed afterwards")
		}
	})
	t.Run("damaged", func(t *testing.T) {
		text, err := os.ReadFile(sealed[0])
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(sealed[0], text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := open(t, history.Options{Dir: dir}).Select(history.Filter{})
		if !errors.Is(err, history.ErrDamaged) || len(got) < count/2 || got[0].ID != run(count).ID {
			t.Errorf("%d runs, %v", len(got), err)
		}
	})
}

func unseal(t *testing.T, path string) {
	t.Helper()
	text, err := history.ReadSealed(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(path, ".zst"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheOldestSegmentsGoFirst(t *testing.T) {
	dir := t.TempDir()
	many(t, dir, 1, 20_000)
	now := run(20_000).Ended
	h := open(t, history.Options{Dir: dir, MaxBytes: 200 << 10, Now: func() time.Time { return now }})
	before, _ := h.Count()
	for n := 20_001; n < 40_000; n++ {
		if err := h.AppendUnflushed(run(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, size := h.Count(); size > 200<<10+5<<20 { // and the open one
		t.Errorf("%d bytes", size)
	}
	got, err := h.Select(history.Filter{})
	if err != nil || got[0].ID != run(39_999).ID || len(got) >= before+19_999 {
		t.Errorf("%d runs, %v", len(got), err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	now = now.Add(1000 * 24 * time.Hour)
	h = open(t, history.Options{Dir: dir, MaxAge: 400 * 24 * time.Hour, Now: func() time.Time { return now }})
	late := run(1)
	late.ID, late.Started, late.Ended = "late", now, now
	add(t, h, late)
	late.ID = "later"
	add(t, h, late)
	got, err = h.Select(history.Filter{Since: now.Add(-time.Hour)})
	if err != nil || len(got) != 2 {
		t.Errorf("%d runs, %v", len(got), err)
	}
	if n, _ := h.Count(); n > 15_000 {
		t.Errorf("%d runs are left of years ago", n)
	}
}

func TestReadersReadWhileSomebodyWrites(t *testing.T) {
	dir := t.TempDir()
	h := open(t, history.Options{Dir: dir})
	add(t, h, run(0))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, other := range []bool{false, true} {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				from := h
				if other {
					var err error
					if from, err = history.Open(history.Options{Dir: dir, ReadOnly: true}); err != nil {
						t.Error(err)
						return
					}
				}
				got, err := from.Select(history.Filter{})
				if err != nil {
					t.Error(err)
					return
				}
				for n, r := range got {
					if want := run(len(got) - 1 - n).ID; r.ID != want {
						t.Errorf("got %s, want %s", r.ID, want)
						return
					}
				}
			}
		})
	}
	for n := 1; n < 9_000; n++ {
		if err := h.AppendUnflushed(run(n)); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	readers.Wait()
	if err := open(t, history.Options{Dir: dir, ReadOnly: true}).Append(run(1)); !errors.Is(err, history.ErrReadOnly) {
		t.Errorf("a reader writes: %v", err)
	}
}

// A million runs of a thousand plans: what they take is in docs/format/history.md.
func TestAMillionRuns(t *testing.T) {
	if os.Getenv("HOLDFAST_SOAK") == "" {
		t.Skip("takes a minute: make soak")
	}
	dir := t.TempDir()
	h := open(t, history.Options{Dir: dir, Now: func() time.Time { return start }})
	const count, plans = 1_000_000, 1000
	began := time.Now()
	for n := range count {
		r := run(n)
		r.Plan = fmt.Sprintf("plan-%04d", n%plans)
		r.Snapshots = []string{fmt.Sprintf("%064x", n*7919)}
		if err := h.AppendUnflushed(r); err != nil {
			t.Fatal(err)
		}
	}
	wrote := time.Since(began)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	before := heap()
	began = time.Now()
	h = open(t, history.Options{Dir: dir, Now: func() time.Time { return start }})
	opened, memory := time.Since(began), heap()-before
	runs, size := h.Count()
	began = time.Now()
	for n := range plans {
		if got, err := h.Last(fmt.Sprintf("plan-%04d", n), 10); err != nil || len(got) != 10 {
			t.Fatal(len(got), err)
		}
	}
	last := time.Since(began)
	began = time.Now()
	if got, err := h.Select(history.Filter{Plan: "plan-0001"}); err != nil || len(got) != count/plans {
		t.Fatal(len(got), err)
	}
	t.Logf("%d runs: written in %v, %d MiB on disk, opened in %v, %d MiB in memory, the last 10 of each plan in %v, all of one plan in %v",
		runs, wrote, size>>20, opened, memory>>20, last, time.Since(began))
	if runs != count || size > 256<<20 || memory > 64<<20 {
		t.Errorf("%d runs take %d bytes on disk and %d in memory", runs, size, memory)
	}
	runtime.KeepAlive(h)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
