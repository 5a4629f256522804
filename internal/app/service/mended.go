package service

import (
	"context"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/event"
	"holdfast/internal/notify"
)

// endMended says of what restore tests and checks found that it is over when a
// look at the repositories shows so: whoever mends something tests it by hand,
// and the service's own turn may come weeks later.
func (s *service) endMended(ctx context.Context, found map[string]console.PlanSurvey) error {
	open, err := notify.OpenProblems(ctx, drawer{s.ledger})
	if err != nil {
		return err
	}
	for i := range open {
		if e := open[i]; isMended(&e, found) {
			e.Time, e.Severity, e.Over, e.Details = time.Now(), event.Info, true, nil
			e.Summary = "it was looked at since, and is good: " + e.Summary
			s.events.Emit(e)
		}
	}
	return nil
}

// isMended tells whether repositories have a record, newer than a problem, that
// it is none any more.
func isMended(e *event.Event, found map[string]console.PlanSurvey) bool {
	for plan, p := range found {
		for i := range p.Repositories {
			r := &p.Repositories[i]
			switch {
			case r.Name != e.Repository:
			case e.Kind == event.Damage && r.ReadBack.After(e.Time) && !r.Bad.After(r.ReadBack),
				e.Kind == event.RestoreTestFailed && plan == e.Plan && provenSince(r, e.Source, e.Time):
				return true
			}
		}
	}
	return false
}

// provenSince tells whether the newest restore test of a source from a
// repository is newer than an instant, and was good.
func provenSince(r *console.RepositorySurvey, source string, since time.Time) bool {
	var good, bad time.Time
	for _, t := range r.Tests {
		switch {
		case t.Source != source:
		case t.Failed == "" && t.Time.After(good):
			good = t.Time
		case t.Failed != "" && t.Time.After(bad):
			bad = t.Time
		}
	}
	return good.After(since) && good.After(bad)
}
