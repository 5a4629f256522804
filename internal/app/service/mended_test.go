package service

import (
	"testing"
	"time"

	"holdfast/internal/app/browse"
	"holdfast/internal/app/console"
	"holdfast/internal/event"
	"holdfast/internal/evidence"
)

// Damage is over when the repository was read back since, and was good.
func TestReadBack(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	earlier, later, latest := noon.Add(-time.Hour), noon.Add(time.Hour), noon.Add(2*time.Hour)
	damage := event.Event{Kind: event.Damage, Repository: "far", Time: noon}
	for _, c := range []struct {
		name   string
		seen   console.RepositorySurvey
		mended bool
	}{
		{"read back since", console.RepositorySurvey{Name: "far", Bad: noon, ReadBack: later}, true},
		{"read back before", console.RepositorySurvey{Name: "far", Bad: noon, ReadBack: earlier}, false},
		{"damaged again", console.RepositorySurvey{Name: "far", Bad: latest, ReadBack: later}, false},
		{"another repository", console.RepositorySurvey{Name: "local", ReadBack: later}, false},
	} {
		if got := isReadBack(&damage, map[string]console.PlanSurvey{"shop": {Repositories: []console.RepositorySurvey{c.seen}}}); got != c.mended {
			t.Errorf("%s: mended %t", c.name, got)
		}
	}
}

// What did not come back is over when it does, whatever other points do.
func TestWhatEndsAFailure(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(hour int) time.Time { return noon.Add(time.Duration(hour-12) * time.Hour) }
	failing := func(f evidence.Failure) event.Event {
		return event.Event{Kind: event.RestoreTestFailed, Plan: "shop", Source: "db", Repository: "far", Time: noon, Details: map[string]string{
			event.DetailFailure: string(f), event.DetailOriginal: "0f5a", event.DetailInstant: at(9).Format(time.RFC3339Nano),
		}}
	}
	for _, c := range []struct {
		name  string
		f     evidence.Failure
		proof browse.Proof
		ends  bool
	}{
		{"the same point", evidence.OfPoint, browse.Proof{Time: at(13), Instant: at(9), Original: "0f5a"}, true},
		{"the same point, before", evidence.OfPoint, browse.Proof{Time: at(11), Instant: at(9), Original: "0f5a"}, false},
		{"a newer point", evidence.OfPoint, browse.Proof{Time: at(13), Instant: at(10), Original: "33cc"}, false},
		{"an older point", evidence.OfPoint, browse.Proof{Time: at(13), Instant: at(8), Original: "33cc"}, false},
		{"a newer state of the source", evidence.OfSource, browse.Proof{Time: at(13), Instant: at(10), Original: "33cc"}, true},
		{"an older state of the source", evidence.OfSource, browse.Proof{Time: at(13), Instant: at(8), Original: "33cc"}, false},
		{"all of the log", evidence.OfLog, browse.Proof{Time: at(13), Instant: at(13), Original: "0f5a"}, true},
		{"the log before the gap", evidence.OfLog, browse.Proof{Time: at(13), Instant: at(8), Original: "0f5a"}, false},
		{"anything, where nothing could be opened", evidence.OfPlace, browse.Proof{Time: at(13), Instant: at(1), Original: "33cc"}, true},
	} {
		e := failing(c.f)
		if got := endsFailure(&e, []browse.Proof{c.proof}); got != c.ends {
			t.Errorf("%s: over %t", c.name, got)
		}
	}
	if e := failing(evidence.OfPlace); endsFailure(&e, nil) {
		t.Error("nothing was tested, and it is over")
	}
}
