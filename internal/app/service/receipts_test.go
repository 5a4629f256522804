package service

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
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
		if err := KeepReceipts(t.Context(), r, part); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // the names of records begin with the time
	}
	found, err := LoadReceipts(t.Context(), r)
	if err != nil || len(found) != len(runs) {
		t.Fatalf("%d of %d runs came back: %v", len(found), len(runs), err)
	}
	if got, want := found[3], runs[3]; got.ID != want.ID || !got.Ended.Equal(want.Ended) || got.Bytes != want.Bytes || got.Log != "" || got.Phases != nil {
		t.Errorf("a run came back as %+v", got)
	}
	records, err := filepath.Glob(filepath.Join(dir, "holdfast", "receipts", "*"))
	if err != nil || len(records) != 3 {
		t.Fatalf("%q, %v", records, err)
	}
	if err := errors.Join(os.Chmod(records[1], 0o600), os.WriteFile(records[1], []byte("nothing"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if found, err := LoadReceipts(t.Context(), r); err == nil || len(found) != len(runs)-4 {
		t.Errorf("with a damaged record %d runs came back: %v", len(found), err)
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
