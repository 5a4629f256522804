package service

import (
	"context"
	"slices"
	"time"

	"holdfast/internal/app/browse"
	"holdfast/internal/app/console"
	"holdfast/internal/event"
	"holdfast/internal/evidence"
	"holdfast/internal/notify"
)

// endMended says of what restore tests and checks found that it is over when a
// look at the repositories shows so: the next test of a plan may be of another
// point, whoever mends something tests it by hand, and the service's own turn
// may come weeks later.
func (s *service) endMended(ctx context.Context, found map[string]console.PlanSurvey) error {
	open, err := notify.OpenProblems(ctx, drawer{s.ledger})
	if err != nil {
		return err
	}
	for i := range open {
		e := open[i]
		over := ""
		switch e.Kind {
		case event.Damage:
			if isReadBack(&e, found) {
				over = "it was read back since, and is good"
			}
		case event.RestoreTestFailed:
			if _, looked := found[e.Plan]; looked {
				over = s.comesBack(ctx, &e)
			}
		}
		if over != "" {
			e.Time, e.Severity, e.Over, e.Details = time.Now(), event.Info, true, nil
			e.Summary = over + ": " + e.Summary
			s.events.Emit(e)
		}
	}
	return nil
}

// isReadBack tells whether a repository was read back after damage was found,
// and was good.
func isReadBack(e *event.Event, found map[string]console.PlanSurvey) bool {
	for _, p := range found {
		for i := range p.Repositories {
			r := &p.Repositories[i]
			if r.Name == e.Repository && r.ReadBack.After(e.Time) && !r.Bad.After(r.ReadBack) {
				return true
			}
		}
	}
	return false
}

// comesBack says why what a restore test found is over, "" if it is not: what
// did not come back does now, or nobody can ask for it any more. The success of
// another point is none of it.
func (s *service) comesBack(ctx context.Context, e *event.Event) string {
	proofs, err := s.browser.Proofs(ctx, e.Plan, e.Source, e.Repository, e.Time)
	if err != nil { // it is not known, and looked at again
		return ""
	}
	if endsFailure(e, proofs) {
		return "it was tested since, and came back"
	}
	original := e.Details[event.DetailOriginal]
	if original == "" {
		return ""
	}
	if there, err := s.browser.HasSnapshot(ctx, e.Repository, original); err == nil && !there {
		return "the snapshot that did not come back was removed"
	}
	return ""
}

// endsFailure tells whether one of some good restore tests ends what one that
// failed found.
func endsFailure(e *event.Event, proofs []browse.Proof) bool {
	failure := evidence.Failure(e.Details[event.DetailFailure])
	instant, _ := time.Parse(time.RFC3339Nano, e.Details[event.DetailInstant]) //nolint:errcheck // then every instant is newer
	return slices.ContainsFunc(proofs, func(p browse.Proof) bool {
		return p.Time.After(e.Time) && failure.Ends(p.Original == e.Details[event.DetailOriginal], instant, p.Instant)
	})
}
