package service

import (
	"context"
	"errors"
	"strings"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
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
		s.noteGapOver(ctx, gap)
		s.events.Emit(event.Event{
			Time: time.Now(), Kind: event.LogGap, Plan: r.Plan, Repository: gap.Repository, Run: r.ID, Key: gap.Key, Over: true,
			Summary: overWith(gap), Details: gap.Details,
		})
	}
}

// refusedKey and unprovenKey are of what is told of a log beside gaps: that it is
// not archived, and that nobody can say whether an archive lacks some of it.
func refusedKey(plan string) string { return plan + "/log/refused" }

func unprovenKey(plan, location string) string { return plan + "/log/unproven/" + location }

// overWith says what a backup ends.
func overWith(gap *event.Event) string {
	switch {
	case gap.Key == refusedKey(gap.Plan):
		return "plan " + gap.Plan + " has a backup of the server whose log was refused, from which on its log belongs to it"
	case strings.HasPrefix(gap.Key, unprovenKey(gap.Plan, "")):
		return "plan " + gap.Plan + " has a backup after the log that may lack something unnoticed, and what follows can be restored from it"
	}
	return "plan " + gap.Plan + " has a backup after the gap in its log, and what follows can be restored from it"
}

// gapsOverKey is where the ledger keeps the gaps that are over. They stay in the
// archive, where every receiver that begins finds them again.
const gapsOverKey = "gaps-over/"

// gapOver is one of them. It is forgotten with the oldest runs: log is not kept
// as long, as a rule.
type gapOver struct {
	End string    `json:"end"`
	At  time.Time `json:"at"`
}

// gapEnd is the name of the detail of an event that says where a gap ends.
const gapEnd = "end"

// noteGapOver keeps that a gap is over, and forgets those that were long ago.
func (s *service) noteGapOver(ctx context.Context, gap *event.Event) {
	end := gap.Details[gapEnd]
	if end == "" { // not where log is missing, but that it may be
		return
	}
	now := time.Now()
	var old []string
	err := s.ledger.List(ctx, gapsOverKey, func(key string, decode func(any) error, _ ledger.Revision) error {
		var over gapOver
		if err := decode(&over); err != nil {
			return err
		}
		if now.Sub(over.At) > receiptsFor {
			old = append(old, key)
		}
		return nil
	})
	for _, key := range old {
		err = errors.Join(err, s.ledger.Delete(ctx, key))
	}
	_, putErr := s.ledger.Put(ctx, gapsOverKey+gap.Key, gapOver{end, now}, ledger.AnyRevision)
	if err := errors.Join(err, putErr); err != nil {
		s.Log.Warn("keep which gaps of logs are over", "plan", gap.Plan, "error", err)
	}
}

// isGapOver tells whether people were told already that this very gap is over.
func (s *service) isGapOver(gap *event.Event) bool {
	ctx, cancel := context.WithTimeout(context.Background(), wellLimit)
	defer cancel()
	var over gapOver
	_, err := s.ledger.Get(ctx, gapsOverKey+gap.Key, &over)
	return err == nil && over.End == gap.Details[gapEnd]
}
