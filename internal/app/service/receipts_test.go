package service

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast/internal/app/browse"
	"holdfast/internal/app/console"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
	"holdfast/internal/secret"
	"holdfast/repository"
	"holdfast/storage/local"
)

func emptyRepository(t *testing.T, dir string) *repository.Repository {
	t.Helper()
	store, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := repository.Options{Password: []byte("secret")}
	r, err := repository.Init(t.Context(), store, repository.InitOptions{Password: o.Password, KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// fortnight is runs of two weeks, the oldest first: the repository grows by 10
// bytes a day, and is counted on the first.
func fortnight(until time.Time) (runs []history.Run) {
	for day := range 14 {
		at := until.AddDate(0, 0, day-13)
		r := history.Run{
			ID: newRunID(at), Plan: "shop", Repository: "local", Job: history.Backup, Type: "full", Outcome: history.Succeeded,
			Started: at, Ended: at.Add(time.Minute), Bytes: 100, Added: 10, Snapshots: []string{"0f5a"}, Log: "log",
			Phases: []history.Phase{{Name: "hook"}},
		}
		if day == 0 {
			r.Job, r.Plan, r.Type, r.Added, r.Bytes = history.Check, "", "", 0, 0
			r.Figures = map[string]float64{console.FigureSize: 1000, console.FigureSnapshots: 7}
		}
		runs = append(runs, r)
	}
	return runs
}

// What a repository is given to keep comes back; one record that is damaged
// takes no other with it.
func TestReceipts(t *testing.T) {
	dir := t.TempDir()
	r := emptyRepository(t, dir)
	runs := fortnight(time.Now())
	for _, part := range [][]history.Run{runs[:5], runs[5:9], runs[9:]} {
		if _, err := KeepReceipts(t.Context(), r, part); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // the names of records begin with the time
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadReceipts(t.Context(), r)
	found := loaded[host]
	if err != nil || len(found) != len(runs) || len(loaded) != 1 {
		t.Fatalf("%d of %d runs came back: %v", len(found), len(runs), err)
	}
	slices.SortFunc(found, func(a, b history.Run) int { return a.Ended.Compare(b.Ended) })
	if got, want := found[3], runs[3]; got.ID != want.ID || !got.Ended.Equal(want.Ended) || got.Bytes != want.Bytes || got.Log != "" || got.Phases != nil {
		t.Errorf("a run came back as %+v", got)
	}
	// Where none can be removed there may be any number: the newest are enough.
	if some, err := recentReceipts(t.Context(), r, 6); err != nil || len(some[host]) != 9 || some[host][0].ID != runs[9].ID {
		t.Errorf("of the newest there are %d: %v", len(some[host]), err)
	}
	records, err := filepath.Glob(filepath.Join(dir, "holdfast", "receipts", "*"))
	if err != nil || len(records) != 3 {
		t.Fatalf("%q, %v", records, err)
	}
	if err := errors.Join(os.Chmod(records[1], 0o600), os.WriteFile(records[1], []byte("nothing"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if found, err := LoadReceipts(t.Context(), r); err == nil || len(found[host]) != len(runs)-4 {
		t.Errorf("with a damaged record %d runs came back: %v", len(found[host]), err)
	}
}

// The whole state of a service is lost: the runs, what is due, and how large
// repositories were are known from the receipts.
func TestALostStateIsMadeAnewFromReceipts(t *testing.T) {
	dir := t.TempDir()
	h, err := history.Open(history.Options{Dir: dir + "/history"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir + "/ledger"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &service{Options: Options{Log: slog.New(slog.DiscardHandler)}, ledger: l, history: h, events: event.Sinks{}}
	s.config.Store(&config.Config{Repositories: map[string]config.Repository{"local": {}}})
	now := time.Now()
	runs := fortnight(now)
	r := &Rebuild{Runs: map[string]history.Run{}, Receipts: map[string]time.Time{"local": runs[13].Ended}}
	for _, run := range runs {
		r.Runs[run.ID] = run
	}
	if err := s.recall(r); err != nil {
		t.Fatal(err)
	}
	job := controller.Job{ID: "shop", Plan: "shop", Repository: "local", Kind: history.Backup, Variants: []controller.Variant{{Name: "full"}}}
	if err := s.rebuild(t.Context(), r, []controller.Job{job}); err != nil {
		t.Fatal(err)
	}
	if last, err := h.Last("shop", 1); err != nil || len(last) != 1 || last[0].ID != runs[13].ID {
		t.Errorf("the newest run is %+v, %v", last, err)
	}
	states, err := journal{l}.States(t.Context())
	if err != nil || !states["shop"].Handled["full"].Equal(runs[13].Started) {
		t.Errorf("%+v, %v", states, err)
	}
	points, err := growthDrawer{l}.LoadGrowth(t.Context(), "local")
	if err != nil || len(points) != 14 {
		t.Fatalf("%d points of growth, %v", len(points), err)
	}
	if first, last := points[0], points[13]; first.Bytes != 1000 || last.Bytes != 1130 || last.Snapshots != 7+13 || last.Added != 10 {
		t.Errorf("it grew from %+v to %+v", first, last)
	}
	var until receiptsKept
	if _, err := l.Get(t.Context(), receiptsKey+"local", &until); err != nil || !until.Until.Equal(runs[13].Ended) {
		t.Errorf("receipts are kept up to %+v, %v", until, err)
	}
	if err := s.recall(r); err != nil { // a history that is there is none to add to
		t.Fatal(err)
	}
	if n, _ := h.Count(); n != len(runs) {
		t.Errorf("%d runs", n)
	}
}

// newRecorder is a service with a history and one repository, and nothing that
// runs.
func newRecorder(t *testing.T) (s *service, r *repository.Repository) {
	t.Helper()
	dir := t.TempDir()
	r = emptyRepository(t, dir+"/local")
	if err := os.WriteFile(dir+"/password", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := history.Open(history.Options{Dir: dir + "/history"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir + "/ledger"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s = &service{Options: Options{Log: slog.New(slog.DiscardHandler)}, ledger: l, history: h, events: event.Sinks{}}
	s.config.Store(&config.Config{Repositories: map[string]config.Repository{"local": {URL: dir + "/local", Password: secret.Ref{File: dir + "/password"}}}})
	s.browser = browse.New(browse.Options{Config: s.config.Load, Log: s.Log})
	t.Cleanup(func() { _ = s.browser.Close() })
	return s, r
}

// What ended is in the repository within half an hour, and there is one record
// a day of it all the same.
func TestReceiptsTakeThePlaceOfEachOther(t *testing.T) {
	s, r := newRecorder(t)
	began := time.Now().Add(-20 * time.Hour)
	old, err := r.SaveRecord(t.Context(), receiptRecords+began.Add(-receiptsFor).UTC().Format(receiptForm)+"-", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	// later lets time pass since the last receipts.
	later := func(by time.Duration) {
		t.Helper()
		var last receiptsKept
		if _, err := s.ledger.Get(t.Context(), receiptsKey+"local", &last); err != nil {
			t.Fatal(err)
		}
		last.At, last.Begun = last.At.Add(-by), last.Begun.Add(-by)
		if _, err := s.ledger.Put(t.Context(), receiptsKey+"local", last, ledger.AnyRevision); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(runs int, records int) {
		t.Helper()
		if _, err := s.keepReceiptsIn(t.Context(), "local"); err != nil {
			t.Fatal(err)
		}
		keys, err := receiptKeys(t.Context(), r)
		if err != nil || len(keys) != records || slices.Contains(keys, old) {
			t.Fatalf("there are the records %q, want %d: %v", keys, records, err)
		}
		found, err := LoadReceipts(t.Context(), r)
		count := 0
		for _, some := range found {
			count += len(some)
		}
		if err != nil || count != runs {
			t.Fatalf("%d runs have receipts, want %d: %v", count, runs, err)
		}
	}
	n := 0
	ends := func() {
		t.Helper()
		n++
		at := began.Add(time.Duration(n) * time.Minute)
		if err := s.history.Append(history.Run{ID: newRunID(at), Plan: "shop", Repository: "local", Job: history.Backup, Outcome: history.Succeeded, Started: at, Ended: at}); err != nil {
			t.Fatal(err)
		}
	}
	ends()
	keep(1, 1)
	ends()
	keep(1, 1) // so soon nothing is written
	later(receiptsEvery)
	keep(2, 1)
	later(receiptsEvery)
	keep(2, 1) // nothing new ended
	ends()
	keep(3, 1)
	later(receiptsSpan)
	ends()
	keep(4, 2)
	later(receiptsEvery)
	ends()
	keep(5, 2)
}

// Old receipts go, and there are never more than so many.
func TestReceiptsAreBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var keys []string
	for n := range 2 * maxReceiptRecords { // two a day, the last one now
		keys = append(keys, receiptRecords+now.Add(time.Duration(n+1-2*maxReceiptRecords)*12*time.Hour).Format(receiptForm)+"-0f")
	}
	if left := len(keys) - len(outdated(keys, now)); left != 801 {
		t.Errorf("%d records are left of 400 days", left)
	}
	for n := range keys { // one a minute
		keys[n] = receiptRecords + now.Add(time.Duration(n+1-2*maxReceiptRecords)*time.Minute).Format(receiptForm) + "-0f"
	}
	if gone := outdated(keys, now); len(keys)-len(gone) != maxReceiptRecords || gone[0] != keys[0] {
		t.Errorf("%d records are left", len(keys)-len(gone))
	}
	if gone := outdated(nil, now); len(gone) != 0 {
		t.Errorf("%q", gone)
	}
}

// Where records cannot be removed there is one a day.
func TestReceiptsThatStay(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	k := receiptsKept{Until: now.Add(-time.Minute), At: now, Open: "a", From: now.Add(-time.Hour), Begun: now.Add(-time.Hour)}
	if at := k.next(now); !at.Equal(now.Add(receiptsEvery)) {
		t.Errorf("next at %v", at)
	}
	if after, replaced := k.follow(now); replaced != "a" || !after.From.Equal(k.From) {
		t.Errorf("%+v replaces %q", after, replaced)
	}
	k.Refused = true
	if at := k.next(now); !at.Equal(now.Add(receiptsSpan)) {
		t.Errorf("next at %v", at)
	}
	if after, replaced := k.follow(now); replaced != "" || !after.From.Equal(k.Until) || !after.Refused {
		t.Errorf("%+v replaces %q", after, replaced)
	}
	k.At = now.Add(time.Hour) // the clock was set back
	if at := k.next(now); at.After(now) {
		t.Errorf("next at %v", at)
	}
}
