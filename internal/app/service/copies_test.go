package service

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/config"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/metrics"
)

// A copy is late when it lacks what others hold for longer than the plan
// promises, or than two intervals of its schedule.
func TestLateCopies(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	behind := func(by time.Duration) *console.RepositorySurvey {
		return &console.RepositorySurvey{Name: "far", Newest: noon.Add(-by)}
	}
	for _, c := range []struct {
		name   string
		before copyState
		seen   *console.RepositorySurvey
		within time.Duration
		late   bool
	}{
		{"has all", copyState{Late: true}, &console.RepositorySurvey{Holds: true, Newest: noon.AddDate(0, 0, -9)}, time.Hour, false},
		{"a little behind", copyState{}, behind(time.Hour), time.Hour, false},
		{"too far behind", copyState{}, behind(61 * time.Minute), time.Hour, true},
		{"nothing promised, no schedule", copyState{}, behind(999 * time.Hour), 0, false},
		{"empty, and new", copyState{}, &console.RepositorySurvey{}, time.Hour, false},
		{"empty for long", copyState{Without: noon.Add(-2 * time.Hour)}, &console.RepositorySurvey{Down: "no route to host"}, time.Hour, true},
	} {
		if got := c.before.next(c.seen, c.within, noon); got.Late != c.late {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if s := (copyState{}).next(&console.RepositorySurvey{}, time.Hour, noon); !s.Without.Equal(noon) || s.next(&console.RepositorySurvey{}, time.Hour, noon.Add(time.Minute)).Without != noon {
		t.Errorf("since when it holds nothing: %+v", s)
	}

	jobs := []metrics.Job{
		{Plan: "shop", Job: history.Backup, Interval: time.Hour},
		{Plan: "shop", Repository: "weekly", Job: history.Copy, Interval: 168 * time.Hour},
		{Plan: "other", Job: history.Backup, Interval: 999 * time.Hour},
	}
	promised := config.Plan{Objectives: config.Objectives{RPO: config.Duration(6 * time.Hour)}}
	for copied, want := range map[string]time.Duration{"follows": 6 * time.Hour, "weekly": 336 * time.Hour} {
		if got := copyWithin("shop", copied, promised, jobs); got != want {
			t.Errorf("%s may be %v old, want %v", copied, got, want)
		}
	}
	if got := copyWithin("shop", "follows", config.Plan{}, jobs); got != 2*time.Hour {
		t.Errorf("without a promise it may be %v old", got)
	}

	for text, e := range map[string]event.Event{
		"lags behind: its newest recovery point is of 2026-03-01 11:00:00 UTC, 1h0m0s ago": copyEvent("shop", behind(time.Hour), true, noon),
		"lags behind: it holds nothing":                                copyEvent("shop", &console.RepositorySurvey{Name: "far"}, true, noon),
		"cannot be looked at, and as far as is known it holds nothing": copyEvent("shop", &console.RepositorySurvey{Name: "far", Down: "no route to host"}, true, noon),
		"copy far of plan shop lags behind no more":                    copyEvent("shop", behind(0), false, noon),
	} {
		if !strings.Contains(e.Summary, text) || e.Over == (e.Severity == event.Error) || e.Key != "copy/shop/far" {
			t.Errorf("%+v does not say %q", e, text)
		}
	}
}
