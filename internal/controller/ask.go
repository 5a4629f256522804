package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/history"
)

// What people ask for once, such as a restore, is a job that no configuration
// has: it is journaled, runs as others do, and is forgotten when it ended. After
// a crash it is found as interrupted, and never begun again by itself: whoever
// asked may no longer want it.
const oncePrefix = "once/"

func isOnce(id string) bool { return strings.HasPrefix(id, oncePrefix) }

// maxOnce bounds what people have asked for and what has not ended.
const maxOnce = 32

var (
	// ErrTooMany says that too much was asked for that has not ended.
	ErrTooMany = fmt.Errorf("%d things that were asked for have not ended; wait for them, or stop one", maxOnce)
	// ErrNotRunning says that a run has ended, or never was.
	ErrNotRunning = errors.New("it does not run")

	// errUnwanted is why a run ends that a person stopped; it is not tried again.
	errUnwanted = errors.New("it was stopped")
)

// Request is what a person asks for once.
type Request struct {
	// By is who asks.
	By string
	// Job says what: its Plan, Kind, Repository, Uses, Timeout and Work. Source
	// is for the history.
	Job    Job
	Source string
}

// Ask begins what a person asks for, as soon as no upkeep has its repositories
// for itself, whatever else runs. It returns the ID of the run.
func (c *Controller) Ask(ctx context.Context, q Request) (run string, err error) {
	if e := c.do(ctx, func() { run, err = c.ask(q) }); e != nil {
		return "", e
	}
	return run, err
}

func (c *Controller) ask(q Request) (string, error) {
	if len(c.asked) >= maxOnce {
		return "", ErrTooMany
	}
	now := c.Now().Round(0)
	id := c.NewID(now)
	j := &job{Job: q.Job, once: true, since: now}
	j.ID = oncePrefix + id
	j.state.Wanted = &Run{
		ID: id, Kind: q.Job.Kind, Plan: q.Job.Plan, Repository: q.Job.Repository, Source: q.Source,
		Trigger: history.Manual, By: q.By, Due: now, Attempt: 1,
	}
	if err := c.save(j); err != nil {
		return "", err
	}
	c.jobs[j.ID] = j
	c.asked, c.order = append(c.asked, j), append(c.order, j)
	return id, nil
}

// forget removes what a person asked for, once it has ended.
func (c *Controller) forget(j *job) {
	is := func(other *job) bool { return other == j }
	delete(c.jobs, j.ID)
	c.asked, c.order = slices.DeleteFunc(c.asked, is), slices.DeleteFunc(c.order, is)
	c.fail(c.Journal.Forget(c.background(), j.ID))
}

// recoverOnce takes up what was asked for of an earlier process. What had not
// begun by then will not.
func (c *Controller) recoverOnce(j *job) {
	j.once = true
	r := j.state.Running
	if r == nil {
		r = j.state.Wanted
	}
	if r == nil { // it is in the history already
		c.forget(j)
		return
	}
	if j.Kind, j.Plan, j.Repository = r.Kind, r.Plan, r.Repository; j.Repository != "" {
		j.Uses = []Use{{Repository: j.Repository}}
	}
	j.state.Running, j.state.Wanted = r, nil
	c.asked = append(c.asked, j)
}

// Stop ends a run that a person does not want any more. It is not tried again
// before it is due again.
func (c *Controller) Stop(ctx context.Context, run, by string) error {
	err := ErrNotRunning
	if e := c.do(ctx, func() { err = c.stopRun(run, by) }); e != nil {
		return e
	}
	return err
}

func (c *Controller) stopRun(run, by string) error {
	why := errUnwanted
	if by != "" {
		why = fmt.Errorf("%w by %s", errUnwanted, by)
	}
	for _, j := range c.jobs {
		switch r, waits := j.state.Running, j.state.Wanted; {
		case r != nil && r.ID == run && j.Continuous:
			return fmt.Errorf("%s runs all the time: change the plan to end it", j.ID)
		case r != nil && r.ID == run && j.stop != nil:
			j.stopFor = why
			j.stop(why)
			return nil
		case j.once && r == nil && waits != nil && waits.ID == run:
			c.endUnbegun(j, *waits, why)
			return c.failure
		}
	}
	return fmt.Errorf("run %s: %w", run, ErrNotRunning)
}

// endUnbegun ends what a person asked for and does not want any more before
// it began.
func (c *Controller) endUnbegun(j *job, r Run, why error) {
	j.ready, j.state.Wanted, j.stopFor = nil, nil, why
	c.record(j, r, Result{Outcome: history.Interrupted, Reason: why.Error() + " before it began", Ended: c.Now().Round(0)})
	c.forget(j)
}

// blocksOnce tells why what a person asked for cannot begin beside what runs:
// only what has a repository for itself stands in its way, and what it needs
// for itself.
func (l *load) blocksOnce(j *job) string {
	for _, use := range j.Uses {
		r := use.Repository
		switch {
		case l.alone[r] > 0:
			return "upkeep has repository " + r + " for itself"
		case use.Mode == Alone && l.readers[r]+l.writers[r] > 0:
			return "others work in repository " + r
		}
	}
	return ""
}
