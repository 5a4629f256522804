package service

import (
	"testing"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/app/status"
	"holdfast/internal/event"
)

// What a person has mended and tested is over, and nothing else.
func TestMended(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	earlier, later, latest := noon.Add(-time.Hour), noon.Add(time.Hour), noon.Add(2*time.Hour)
	test := func(source string, at time.Time, failed string) status.Test {
		return status.Test{Plan: "shop", Source: source, From: "far", Time: at, Failed: failed}
	}
	tested := func(all ...status.Test) console.RepositorySurvey {
		return console.RepositorySurvey{Name: "far", Tests: all}
	}
	failing := event.Event{Kind: event.RestoreTestFailed, Plan: "shop", Source: "db", Repository: "far", Time: noon}
	damage := event.Event{Kind: event.Damage, Repository: "far", Time: noon}
	for _, c := range []struct {
		name   string
		e      event.Event
		seen   console.RepositorySurvey
		mended bool
	}{
		{"a good test since", failing, tested(test("db", earlier, "gone"), test("db", later, "")), true},
		{"a good test before", failing, tested(test("db", earlier, ""), test("db", noon, "gone")), false},
		{"it failed again", failing, tested(test("db", later, ""), test("db", latest, "gone")), false},
		{"another source", failing, tested(test("www", later, "")), false},
		{"another repository", failing, console.RepositorySurvey{Name: "local", Tests: []status.Test{test("db", later, "")}}, false},
		{"read back since", damage, console.RepositorySurvey{Name: "far", Bad: noon, ReadBack: later}, true},
		{"read back before", damage, console.RepositorySurvey{Name: "far", Bad: noon, ReadBack: earlier}, false},
		{"damaged again", damage, console.RepositorySurvey{Name: "far", Bad: latest, ReadBack: later}, false},
		{"another problem", event.Event{Kind: event.RunFailed, Plan: "shop", Repository: "far", Time: noon}, console.RepositorySurvey{Name: "far", ReadBack: later, Tests: []status.Test{test("db", later, "")}}, false},
	} {
		if got := isMended(&c.e, map[string]console.PlanSurvey{"shop": {Repositories: []console.RepositorySurvey{c.seen}}}); got != c.mended {
			t.Errorf("%s: mended %t", c.name, got)
		}
	}
	if isMended(&failing, map[string]console.PlanSurvey{"other": {Repositories: []console.RepositorySurvey{tested(test("db", later, ""))}}}) {
		t.Error("the test of another plan mends it")
	}
}
