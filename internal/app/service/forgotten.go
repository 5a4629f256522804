package service

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/notify"
)

// endForgotten says of problems that they are over when what they are about is
// not in the configuration any more: nothing else would ever end them, and
// people be told again and again.
func (s *service) endForgotten(ctx context.Context, cfg *config.Config, jobs []controller.Job) {
	open, err := notify.OpenProblems(ctx, drawer{s.ledger})
	if err != nil {
		s.Log.Warn("look which problems are over", "error", err)
		return
	}
	for i := range open {
		e := open[i]
		if !forgotten(&e, cfg, jobs) {
			continue
		}
		e.Time, e.Severity, e.Over, e.Details = time.Now(), event.Info, true, nil
		e.Summary = "what this was about is not in holdfast.yaml any more: " + e.Summary
		s.events.Emit(e)
	}
}

// forgotten tells whether nothing of the configuration is what a problem is
// about.
func forgotten(e *event.Event, cfg *config.Config, jobs []controller.Job) bool {
	if _, there := cfg.Plans[e.Plan]; e.Plan != "" && !there {
		return true
	}
	if _, there := cfg.Repositories[e.Repository]; e.Repository != "" && !there {
		return true
	}
	job, ofRun := strings.CutPrefix(e.Key, "run/")
	return ofRun && !slices.ContainsFunc(jobs, func(j controller.Job) bool { return j.ID == job })
}
