package service

import (
	"testing"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
)

// The ledger is lost: what was done is known from the history and from the
// snapshots, and pauses from the repositories.
func TestALostLedgerIsMadeAnew(t *testing.T) {
	night := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	h, err := history.Open(history.Options{Dir: dir + "/history"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	for n, r := range []history.Run{
		{ID: "a", Plan: "shop", Repository: "local", Job: history.Backup, Type: "full", Outcome: history.Succeeded},
		{ID: "b", Plan: "shop", Repository: "local", Job: history.Backup, Type: "incremental", Outcome: history.Succeeded},
		{ID: "c", Plan: "shop", Repository: "local", Job: history.Backup, Type: "incremental", Outcome: history.Failed},
		{ID: "d", Plan: "shop", Repository: "offsite", Job: history.Copy, Outcome: history.Succeeded},
	} {
		r.Started = night.AddDate(0, 0, n)
		r.Ended = r.Started.Add(time.Minute)
		if err := h.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir + "/ledger"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })

	both := []controller.Variant{{Name: "full"}, {Name: "incremental"}}
	jobs := []controller.Job{
		{ID: "shop", Plan: "shop", Repository: "local", Kind: history.Backup, Variants: both},
		{ID: "shop-copy", Plan: "shop", Repository: "offsite", Kind: history.Copy, Variants: []controller.Variant{{}}},
		{ID: "www", Plan: "www", Repository: "local", Kind: history.Backup, Variants: both},
		{ID: "new", Plan: "new", Repository: "local", Kind: history.Backup, Variants: both},
	}
	s := &service{ledger: l, history: h, events: event.Sinks{}}
	s.config.Store(&config.Config{})
	err = s.rebuild(t.Context(), &Rebuild{
		Pauses:  map[string]controller.Pause{"www": {Plan: "www", Reason: "it moves"}},
		Backups: map[string]map[string]time.Time{"www": {"full": night}, "shop": {"incremental": night.AddDate(0, 0, -7)}},
	}, jobs)
	if err != nil {
		t.Fatal(err)
	}
	states, err := journal{l}.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	handled := func(job, variant string, want time.Time) {
		t.Helper()
		if got := states[job].Handled[variant]; !got.Equal(want) {
			t.Errorf("%s %s is handled up to %v, want %v", job, variant, got, want)
		}
	}
	handled("shop", "full", night)
	handled("shop", "incremental", night.AddDate(0, 0, 1)) // the one that failed is done again
	handled("shop-copy", "", night.AddDate(0, 0, 3))
	handled("www", "full", night)
	handled("www", "incremental", night)
	if _, known := states["new"]; known {
		t.Error("a job that never ran has a state")
	}
	if s := states["shop"]; s.Last.ID != "c" || s.LastGood.ID != "b" || s.Rounds != 2 {
		t.Errorf("shop: %+v", s)
	}
	pauses, err := journal{l}.Pauses(t.Context())
	if err != nil || pauses["www"].Reason != "it moves" {
		t.Errorf("pauses: %v, %v", pauses, err)
	}
}
