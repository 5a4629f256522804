package controller

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/history"
)

func (c *Controller) tellStart(j *job, r Run) {
	c.Events.Emit(event.Event{
		Time: r.Started, Kind: event.RunStarted, Plan: r.Plan, Source: r.Source, Repository: cmp.Or(r.Repository, j.Repository), Run: r.ID, Job: string(j.Kind),
		Summary: name(r.Kind, r.Variant, r.Plan, j.Repository) + " begins",
		Details: startDetails(j, r),
	})
}

func startDetails(j *job, r Run) map[string]string {
	d := map[string]string{"job": j.ID, "trigger": string(r.Trigger)}
	if r.Variant != "" {
		d["type"] = r.Variant
	}
	if r.By != "" {
		d["by"] = r.By
	}
	return d
}

// name is what people call a run.
func name(kind history.Job, variant, plan, repository string) string {
	words := []string{string(kind)}
	if variant != "" {
		words = []string{variant, string(kind)}
	}
	if plan != "" {
		words = append(words, "of plan", plan)
	} else if repository != "" {
		words = append(words, "of repository", repository)
	}
	return strings.Join(words, " ")
}

func kindOf(outcome history.Outcome) event.Kind {
	switch outcome {
	case history.Succeeded:
		return event.RunSucceeded
	case history.Partial:
		return event.RunPartial
	case history.Interrupted:
		return event.RunInterrupted
	case history.Skipped:
		return event.RunMissed
	}
	return event.RunFailed
}

// waitsMany is how often in a row a run may find a repository locked before
// people are told: with the patience that runs have themselves, after an hour.
const waitsMany = 4

// tellEnd tells how a run ended. Its problem lasts until a run of the same job
// succeeds. told says that what went wrong is told by other events.
func (c *Controller) tellEnd(j *job, run *history.Run, told bool) {
	e := event.Event{
		Time: run.Ended, Kind: kindOf(run.Outcome), Plan: run.Plan, Repository: run.Repository, Run: run.ID, Job: string(j.Kind), Key: "run/" + j.ID,
		Details: map[string]string{"job": j.ID, "attempt": fmt.Sprint(run.Attempt)},
	}
	what := name(run.Job, run.Type, run.Plan, run.Repository)
	again := j.state.Wanted != nil
	switch run.Outcome {
	case history.Succeeded:
		e.Summary, e.Over = what+" succeeded", true
	case history.Partial:
		e.Summary, e.Severity = what+" is not complete: "+run.Reason, event.Warning
	case history.Failed:
		e.Summary, e.Severity = what+" failed: "+run.Reason, event.Warning
	case history.Interrupted:
		e.Summary = what + " was interrupted: " + run.Reason
	case history.Skipped:
		e.Summary = what + " did not run: " + run.Reason
	}
	switch {
	case j.Continuous && j.flaps >= flapsMany && run.Outcome == history.Failed:
		e.Summary += fmt.Sprintf("; it has ended %d times in a row", j.flaps)
	case j.Continuous && run.Outcome == history.Interrupted:
		e.Key = ""
	case j.once || errors.Is(j.stopFor, errUnwanted):
		e.Key = "" // who asked for it is told, and nothing waits for it
	case told && run.Outcome == history.Failed:
		e.Severity, e.Key = event.Info, ""
	case again && run.Outcome == history.Skipped && j.state.Wanted.Waits >= waitsMany:
		e.Severity = event.Warning
		e.Summary += fmt.Sprintf("; it has found the repository locked %d times in a row, and is tried again", j.state.Wanted.Waits)
	case again && run.Outcome != history.Succeeded && run.Outcome != history.Partial:
		e.Severity, e.Key = event.Info, "" // no problem before it has been tried for the last time
		e.Summary += "; it is tried again"
	case run.Outcome == history.Interrupted || run.Outcome == history.Skipped:
		e.Severity = event.Warning
	}
	c.Events.Emit(e)
}

// flapsMany is how often in a row a continuous job may end soon before people
// are told.
const flapsMany = 3

// tellSteady tells that a continuous job runs as it should again.
func (c *Controller) tellSteady(j *job, now time.Time) {
	c.Events.Emit(event.Event{
		Time: now, Kind: event.RunSucceeded, Plan: j.Plan, Repository: j.Repository, Run: j.state.Running.ID, Job: string(j.Kind), Key: "run/" + j.ID, Over: true,
		Summary: name(j.Kind, "", j.Plan, j.Repository) + " runs again", Details: map[string]string{"job": j.ID},
	})
}

func (c *Controller) tellPause(plan string, p *Pause) {
	e := event.Event{Time: c.Now(), Kind: event.PlanResumed, Plan: plan, Key: "pause/" + plan, Over: true, Summary: "plan " + plan + " goes on"}
	if p != nil {
		e.Kind, e.Over, e.Severity = event.PlanPaused, false, event.Warning
		e.Summary = "plan " + plan + " is paused"
		if p.Reason != "" {
			e.Summary += ": " + p.Reason
		}
		if p.By != "" {
			e.Details = map[string]string{"by": p.By}
		}
	}
	c.Events.Emit(e)
}
