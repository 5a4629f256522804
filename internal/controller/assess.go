package controller

import (
	"time"

	"holdfast/internal/history"
	"holdfast/internal/schedule"
)

// missedAfter is how late a run may be before it counts as caught up, and is
// left out where a job skips what it missed.
const missedAfter = time.Minute

// assess finds out whether a job is to run, and when to look at it again.
func (c *Controller) assess(j *job, now time.Time) {
	was := j.ready
	j.ready, j.waiting, j.next, j.opens = nil, "", time.Time{}, time.Time{}
	switch {
	case j.state.Running != nil:
		c.steady(j, now)
		return
	case j.gone:
		return
	case j.once:
		again := *j.state.Wanted
		j.ready = &again
	case j.Continuous:
		j.ready = &Run{Trigger: history.Schedule, Attempt: 1}
		if j.state.Wanted != nil {
			j.ready.NotBefore = j.state.Wanted.NotBefore
		}
	default:
		if was == nil {
			c.skipMissed(j, now)
		}
		until := now
		if c.Once && c.began.Before(now) {
			until = c.began
		}
		j.ready = j.choose(j.due(until), j.follow(c.jobs), j.state.Wanted)
		if !c.Once {
			j.next = j.nextDue(now)
		}
	}
	if j.ready != nil && was == nil {
		j.since, j.patience = now, j.patienceAt(now)
		c.turn++
		j.readied = c.turn
	}
}

// steady notes that a continuous job which had ended often runs well again.
func (c *Controller) steady(j *job, now time.Time) {
	if !j.Continuous || j.flaps == 0 {
		return
	}
	if j.flaps >= flapsMany {
		c.tellSteady(j, now)
	}
	j.flaps = 0
}

// due returns the run that the schedule asks for: that of the strongest
// variant which is due.
func (j *job) due(now time.Time) *Run {
	for _, v := range j.Variants {
		due, ok := v.Rule.Due(v.Rule.Resume(j.state.Handled[v.Name], now), now)
		if !ok {
			continue
		}
		trigger := history.Schedule
		if missed(due, now) {
			trigger = history.CatchUp
		}
		return &Run{Variant: v.Name, Trigger: trigger, Due: due.At, Attempt: 1}
	}
	return nil
}

func missed(due schedule.Due, now time.Time) bool {
	return due.Missed > 0 || now.Sub(due.At) > missedAfter
}

// follow returns the run that good runs of other jobs ask for.
func (j *job) follow(jobs map[string]*job) *Run {
	for _, id := range j.Follows {
		before := jobs[id]
		if before == nil || before.state.LastGood == nil || before.state.LastGood.ID == j.state.Followed[id] {
			continue
		}
		r := &Run{Trigger: history.After, Due: before.state.LastGood.At, Attempt: 1}
		if len(j.Variants) > 0 {
			r.Variant = j.Variants[0].Name
		}
		return r
	}
	return nil
}

// choose makes one run of all that are asked for: of the strongest variant.
// What a person asked for, or is tried again, counts as that only if nothing
// newer does the same.
func (j *job) choose(due, follow, wanted *Run) *Run {
	chosen := due
	if chosen == nil {
		chosen = follow
	}
	if wanted == nil {
		return chosen
	}
	if chosen == nil {
		again := *wanted
		return &again
	}
	both := *chosen
	if j.variant(wanted.Variant) < j.variant(chosen.Variant) {
		both.Variant, both.Due = wanted.Variant, wanted.Due
	}
	if wanted.Trigger == history.Manual {
		both.Trigger, both.By = history.Manual, wanted.By
	}
	return &both
}

// nextDue returns the next instant at which a variant becomes due; a run that
// waits by then may become one of a stronger variant.
func (j *job) nextDue(now time.Time) time.Time {
	var first time.Time
	for _, v := range j.Variants {
		from := v.Rule.Resume(j.state.Handled[v.Name], now)
		if from.Before(now) {
			from = now
		}
		if next := v.Rule.Next(from); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	return first
}

// skipMissed lets go of what was due while nobody was there, where the job
// says so. It is told, and kept in the history.
func (c *Controller) skipMissed(j *job, now time.Time) {
	if !j.SkipMissed {
		return
	}
	r := j.due(now)
	if r == nil {
		return
	}
	free := r.Due
	if last := j.state.Last; last != nil && last.At.After(free) {
		free = last.At // its own run was in the way
	}
	if now.Sub(free) <= missedAfter {
		return
	}
	r.ID = c.NewID(now)
	j.handle(*r, now)
	c.record(j, *r, Result{Outcome: history.Skipped, Reason: "it was due while the service was not there, and skip_missed is set", Ended: now})
}

// handle notes that everything a run of a variant does has been dealt with.
func (j *job) handle(r Run, now time.Time) {
	handled := map[string]time.Time{}
	for k, v := range j.Variants {
		at := v.Rule.Resume(j.state.Handled[v.Name], now)
		if k >= j.variant(r.Variant) && at.Before(now) {
			at = now
		}
		handled[v.Name] = at
	}
	j.state.Handled = handled
}
