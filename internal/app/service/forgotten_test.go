package service

import (
	"slices"
	"testing"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/ledger"
)

// A problem of a plan, a repository or a job that is not there any more is over.
func TestProblemsOfWhatIsGone(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for _, e := range []event.Event{
		{Key: "shop/objective/RPO", Plan: "shop", Summary: "RPO of plan shop is breached"},
		{Key: "run/plans/www/copy/far", Plan: "www", Repository: "local"},
		{Key: "run/plans/www/backup", Plan: "www", Repository: "local"},
		{Key: "damage/far", Repository: "far"},
		{Key: "survey"},
	} {
		problem := struct {
			Event event.Event `json:"event"`
		}{e}
		if _, err := l.Put(t.Context(), "notify/problem/"+e.Key, problem, ledger.AnyRevision); err != nil {
			t.Fatal(err)
		}
	}
	var told collected
	s := &service{ledger: l, events: event.Sinks{&told}}
	cfg := &config.Config{Plans: map[string]config.Plan{"www": {}}, Repositories: map[string]config.Repository{"local": {}}}
	s.endForgotten(t.Context(), cfg, []controller.Job{{ID: "plans/www/backup"}})
	var over []string
	for _, e := range told {
		if !e.Over {
			t.Errorf("%+v is not over", e)
		}
		over = append(over, e.Key)
	}
	slices.Sort(over)
	if want := []string{"damage/far", "run/plans/www/copy/far", "shop/objective/RPO"}; !slices.Equal(over, want) {
		t.Errorf("over are %q, want %q", over, want)
	}
}
