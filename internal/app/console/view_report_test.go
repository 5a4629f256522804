package console

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
)

// idle is a controller with nothing to do.
type idle struct{ Controller }

func (idle) Status(context.Context) ([]controller.Status, error) { return nil, nil }

// tested are repositories that keep restore tests.
type tested struct {
	Browsing

	at []time.Time
}

func (b tested) RestoreTests(_ context.Context, q api.RestoreTestQuery) (*api.RestoreTestPage, error) {
	page := &api.RestoreTestPage{}
	for _, at := range b.at {
		if !at.Before(q.Since) && at.Before(q.Until) {
			page.Tests = append(page.Tests, api.RestoreTest{Plan: q.Plan, Time: at, Verdict: "proven", RTO: api.Standing{Measured: 30}})
		}
	}
	return page, nil
}

// reporting is a console of a plan with a history.
func reporting(t *testing.T, timezone string, runs []history.Run, events []event.Event, tests ...time.Time) *Console {
	t.Helper()
	h, err := history.Open(history.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	happened, err := history.OpenEvents(history.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Close(), happened.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, r := range runs {
		r.Plan = "shop"
		if err := h.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range events {
		e.Plan = "shop"
		happened.Emit(e)
	}
	cfg := &config.Config{Plans: map[string]config.Plan{"shop": {Repository: "local"}}, Service: config.Service{Timezone: timezone}}
	return &Console{Browsing: tested{at: tests}, o: Options{
		Config: func() *config.Config { return cfg }, Controller: idle{}, History: h, Events: happened,
		Survey: func(...string) {}, Log: slog.New(slog.DiscardHandler),
	}}
}

// A plan that begins in a month is judged from when it had something to judge,
// and what protect read counts.
func TestReportOfAPlanThatBegins(t *testing.T) {
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	breached := func(name string, when time.Time, over bool) event.Event {
		return event.Event{Time: when, Kind: event.ObjectiveBreached, Key: "shop/objective/" + name, Over: over, Summary: "x"}
	}
	c := reporting(t, "UTC",
		[]history.Run{
			{ID: "20260310-100000-0001", Job: history.Backup, Outcome: history.Failed, Started: at(10, 10), Ended: at(10, 10), Bytes: 5},
			{ID: "20260311-100000-0001", Job: history.Protect, Outcome: history.Succeeded, Started: at(11, 10), Ended: at(11, 11), Bytes: 100, Added: 50},
			{ID: "20260312-100000-0001", Job: history.Backup, Outcome: history.Partial, Started: at(12, 10), Ended: at(12, 11), Bytes: 10, Added: 1},
			{ID: "20260312-120000-0001", Job: history.Check, Outcome: history.Succeeded, Started: at(12, 12), Ended: at(12, 12), Bytes: 1000},
			{ID: "20260402-100000-0001", Job: history.Backup, Outcome: history.Succeeded, Started: at(33, 10), Ended: at(33, 11), Bytes: 10},
		},
		[]event.Event{
			breached("RPO", at(2, 0), false), breached("RTO", at(2, 0), false),
			breached("RPO", at(11, 13), true), breached("RTO", at(11, 14), true),
			breached("RPO", at(20, 0), false), breached("RPO", at(20, 5), true),
		}, at(15, 0))
	r, err := c.Report(t.Context(), "shop", api.Month{Year: 2026, Month: time.March})
	if err != nil {
		t.Fatal(err)
	}
	if hours := r.RPOBrokenSeconds / 3600; hours != 2+5 {
		t.Errorf("RPO was broken for %v hours", hours)
	}
	if hours := r.RTOBrokenSeconds / 3600; hours != 3 {
		t.Errorf("RTO was broken for %v hours", hours)
	}
	if r.BytesRead != 115 || r.BytesAdded != 51 || r.WorstRTO != 30 {
		t.Errorf("%d read, %d added, RTO %v", r.BytesRead, r.BytesAdded, r.WorstRTO)
	}
	if worst := at(32, 0).Sub(at(12, 10)).Seconds(); r.WorstRPO != worst {
		t.Errorf("worst RPO %v, want %v", r.WorstRPO, worst)
	}
}

// A month of which nothing is known is no month in which all went well.
func TestReportWithoutData(t *testing.T) {
	c := reporting(t, "Asia/Tokyo", nil, []event.Event{
		{Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Kind: event.ObjectiveBreached, Key: "shop/objective/RPO", Summary: "x"},
	})
	r, err := c.Report(t.Context(), "shop", api.Month{Year: 2026, Month: time.March})
	if err != nil {
		t.Fatal(err)
	}
	if r.RPOBrokenSeconds != 0 || r.RTOBrokenSeconds != 0 || r.WorstRPO != 0 {
		t.Errorf("%+v", r)
	}
	for _, lack := range []string{"nothing is on record of this month", "no recovery point yet", "no restore was measured"} {
		if !strings.Contains(r.Incomplete, lack) {
			t.Errorf("%q does not say %q", r.Incomplete, lack)
		}
	}
	if want := time.Date(2026, 2, 28, 15, 0, 0, 0, time.UTC); !r.From.Equal(want) {
		t.Errorf("a month in Tokyo begins at %v", r.From)
	}
	year := time.Now().Year() + 1
	if _, err := c.Report(t.Context(), "shop", api.Month{Year: year, Month: time.March}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("a month to come: %v", err)
	}
}
