package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/event"
	"holdfast/internal/ledger"
)

// heldKey is where the ledger keeps which sources of a plan were held when it
// was last looked at: a release is told of once, also after a restart.
const heldKey = "held/"

// tellHolds says of anomalies that they are over when their hold was released,
// wherever that was done.
func (s *service) tellHolds(ctx context.Context, found map[string]console.PlanSurvey) error {
	cfg := s.config.Load()
	for name, p := range found {
		held, known := heldSources(name, cfg.Plans[name].Sources, p)
		if !known {
			continue
		}
		var before []string
		if _, err := s.ledger.Get(ctx, heldKey+name, &before); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		if slices.Equal(before, held) {
			continue
		}
		for _, source := range before {
			if !slices.Contains(held, source) {
				s.events.Emit(released(name, source))
			}
		}
		if _, err := s.ledger.Put(ctx, heldKey+name, held, ledger.AnyRevision); err != nil {
			return err
		}
	}
	return nil
}

// released is the end of what an anomaly began.
func released(plan, source string) event.Event {
	return event.Event{
		Time: time.Now(), Kind: event.Anomaly, Severity: event.Info, Plan: plan, Source: source, Over: true,
		Key:     event.AnomalyKey(plan, source),
		Summary: fmt.Sprintf("the hold on %s in plan %s was released: snapshots of it are removed again when they are due", source, plan),
	}
}

// heldSources returns which sources of a plan are held in any of its
// repositories; false when one of these could not be asked.
func heldSources(plan string, sources []string, p console.PlanSurvey) (held []string, known bool) {
	for _, r := range p.Repositories {
		if r.Down != "" {
			return nil, false
		}
		for _, h := range r.Held {
			if h.Plan != "" && h.Plan != plan {
				continue
			}
			for _, source := range sources {
				if (h.Source == "" || h.Source == source) && !slices.Contains(held, source) {
					held = append(held, source)
				}
			}
		}
	}
	slices.Sort(held)
	return held, true
}
