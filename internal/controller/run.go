package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/history"
)

var (
	// errReplaced is why a continuous run ends when the configuration has
	// something else in its place.
	errReplaced = errors.New("the configuration changed")
	// errTimeout is why a run ends that takes too long.
	errTimeout = errors.New("it took longer than its timeout")
)

const (
	// backoffMost bounds the pause before another try.
	backoffMost = time.Hour
	// lockBackoff and lockBackoffMost are how long to wait for a repository
	// that somebody else has locked.
	lockBackoff     = 30 * time.Second
	lockBackoffMost = 10 * time.Minute
	// restartBackoff and restartMost are how long a continuous job rests before
	// it begins again; one that ran for steadyAfter begins from the least.
	restartBackoff = time.Second
	restartMost    = 5 * time.Minute
	steadyAfter    = 2 * time.Minute
	// maxInterruptions is how often a run is begun again that ended with the
	// service: one that takes the machine down with it must not do so forever.
	maxInterruptions = 10
)

// start journals a run, and begins it.
func (c *Controller) start(j *job, now time.Time) {
	r := *j.ready
	if r.ID == "" {
		r.ID = c.NewID(now)
	}
	r.Kind, r.Plan, r.Started, r.NotBefore, r.Round = j.Kind, j.Plan, now, time.Time{}, j.state.Rounds
	if r.Began.IsZero() {
		r.Began = now
	}
	j.ready, j.waiting = nil, ""
	j.handle(r, now)
	j.followed(c.jobs)
	j.state.Running, j.state.Wanted = &r, nil
	if c.save(j) != nil {
		return
	}
	if j.next = (time.Time{}); j.Continuous {
		j.next = now.Add(steadyAfter)
	}
	j.running, j.stopFor = j.Job, nil
	j.running.Uses = j.usesAfter(r.Waits)
	c.load.count(&j.running, 1)
	var ctx context.Context
	ctx, j.stop = context.WithCancelCause(c.ctx)
	c.tellStart(j, r)
	task := Task{Run: r, Job: &j.running}
	c.runs.Go(func() {
		result := c.execute(ctx, task)
		c.results <- finished{j, result}
	})
}

// followed notes which runs of other jobs the one that begins follows.
func (j *job) followed(jobs map[string]*job) {
	followed := map[string]string{}
	for _, id := range j.Follows {
		if before := jobs[id]; before != nil && before.state.LastGood != nil {
			followed[id] = before.state.LastGood.ID
		}
	}
	j.state.Followed = followed
}

func (c *Controller) execute(ctx context.Context, t Task) Result {
	if t.Job.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.Job.Timeout, errTimeout)
		defer cancel()
	}
	result := c.Executor.Execute(ctx, t)
	switch cause := context.Cause(ctx); {
	case cause == nil || result.Outcome.Good():
	case errors.Is(cause, errTimeout):
		result.Outcome, result.Reason = history.Failed, fmt.Sprintf("it took longer than its timeout of %v: %s", t.Job.Timeout, result.Reason)
	default:
		result.Outcome, result.Reason = history.Interrupted, cause.Error()
	}
	return result
}

// finish takes note of the end of a run, and of what follows from it.
func (c *Controller) finish(j *job, result Result) {
	if j.stop != nil {
		j.stop(nil)
		c.load.count(&j.running, -1)
		j.stop = nil
	}
	r := *j.state.Running
	if result.Ended.IsZero() {
		result.Ended = c.Now().Round(0)
	}
	j.state.Running = nil
	if again := j.again(r, result); j.state.Wanted == nil || again != nil && j.variant(again.Variant) < j.variant(j.state.Wanted.Variant) {
		j.state.Wanted = again
	}
	c.record(j, r, result)
	for _, other := range c.order {
		for _, id := range other.Follows {
			if id == j.ID {
				other.next = result.Ended
			}
		}
	}
	if j.gone {
		delete(c.jobs, j.ID)
	}
	if j.once {
		c.forget(j)
	}
}

// record puts a run into the history, and then the job's state into the
// journal: in this order nothing is lost in between.
func (c *Controller) record(j *job, r Run, result Result) {
	run := history.Run{
		ID: r.ID, Plan: r.Plan, Source: r.Source, Repository: cmp.Or(r.Repository, j.Repository), Job: r.Kind, Type: r.Variant, Trigger: r.Trigger, By: r.By,
		Due: r.Due, Started: r.Started, Ended: result.Ended, Attempt: r.Attempt,
		Outcome: result.Outcome, Reason: result.Reason, Phases: result.Phases,
		Bytes: result.Bytes, Added: result.Added, Files: result.Files, Snapshots: result.Snapshots,
		Figures: result.Figures, Log: result.Log,
	}
	if run.Job == "" {
		run.Job, run.Plan = j.Kind, j.Plan
	}
	run.Plan, run.Source, run.Repository = cmp.Or(run.Plan, result.Plan), cmp.Or(run.Source, result.Source), cmp.Or(run.Repository, result.Repository)
	if c.fail(c.History.Append(run)) {
		return
	}
	j.state.Last = &Ended{ID: r.ID, Variant: r.Variant, Outcome: result.Outcome, Reason: result.Reason, Due: r.Due, At: result.Ended}
	if !result.More {
		c.turn++
		j.ended = c.turn
	}
	if result.Outcome.Good() && !result.More {
		j.state.LastGood = j.state.Last
		j.state.Rounds++
	}
	if c.save(j) == nil {
		c.tellEnd(j, &run, result.Told)
	}
}

// again returns the run that follows from one that ended; nil for none.
func (j *job) again(r Run, result Result) *Run {
	next := Run{
		Variant: r.Variant, Trigger: r.Trigger, By: r.By, Due: r.Due, Began: r.Began, Done: r.Done,
		Attempt: r.Attempt, Failures: r.Failures, Interruptions: r.Interruptions, Waits: r.Waits,
	}
	switch {
	case j.once || errors.Is(j.stopFor, errUnwanted):
		return nil
	case j.Continuous:
		return j.restart(r, result)
	case result.Outcome.Good() && result.More:
		next.Attempt, next.Failures, next.Interruptions, next.Waits = 1, 0, 0, 0
		next.Done += result.Bytes
	case result.Outcome.Good():
		return nil
	case result.Locked:
		next.Waits++
		next.NotBefore = result.Ended.Add(doubled(lockBackoff, r.Waits, lockBackoffMost))
	case result.Outcome == history.Interrupted && r.Interruptions < maxInterruptions:
		next.Trigger, next.Attempt, next.Interruptions = history.Retry, r.Attempt+1, r.Interruptions+1
	case result.Outcome == history.Failed && r.Failures+1 < j.Attempts:
		next.Trigger, next.Attempt, next.Failures = history.Retry, r.Attempt+1, r.Failures+1
		next.NotBefore = result.Ended.Add(doubled(j.Backoff, r.Failures, backoffMost))
	default:
		return nil
	}
	return &next
}

// restart says when a continuous job begins again.
func (j *job) restart(r Run, result Result) *Run {
	if j.stopFor != nil || result.Outcome == history.Interrupted {
		j.flaps = 0
		return nil
	}
	if result.Ended.Sub(r.Started) >= steadyAfter {
		j.flaps = 0
	}
	j.flaps++
	return &Run{NotBefore: result.Ended.Add(doubled(restartBackoff, j.flaps-1, restartMost))}
}

// doubled returns d doubled some times, up to most.
func doubled(d time.Duration, times int, most time.Duration) time.Duration {
	for range times {
		if d >= most {
			break
		}
		d *= 2
	}
	return min(d, most)
}
