package service

import (
	"context"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/notify"
)

// endGaps says of gaps in the log of a plan's databases that they are over when
// a backup has begun after they were found, and is there: what comes after a gap
// can be restored from it. What lies in the gap stays lost, and `wal status`
// tells of it.
func (s *service) endGaps(ctx context.Context, r *history.Run) {
	if r.Job != history.Backup || !r.Outcome.Good() {
		return
	}
	open, err := notify.OpenProblems(ctx, drawer{s.ledger})
	if err != nil {
		s.Log.Warn("look which gaps of logs are over", "plan", r.Plan, "error", err)
		return
	}
	for i := range open {
		gap := &open[i]
		if gap.Kind != event.LogGap || gap.Plan != r.Plan || !gap.Time.Before(r.Started) {
			continue
		}
		s.events.Emit(event.Event{
			Time: time.Now(), Kind: event.LogGap, Plan: r.Plan, Repository: gap.Repository, Run: r.ID, Key: gap.Key, Over: true,
			Summary: "plan " + r.Plan + " has a backup after the gap in its log, and what follows can be restored from it", Details: gap.Details,
		})
	}
}
