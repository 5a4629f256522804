package controller

import (
	"context"
	"fmt"
	"sync"

	"holdfast/internal/history"
)

// recover reads the journal, and deals with the runs of an earlier process:
// those that came to their end get it, the others were interrupted. The journal
// is read also when ctx has ended: to be stopped at once is no failure.
func (c *Controller) recover(ctx context.Context) error {
	states, err := c.Journal.States(c.ctx)
	if err != nil {
		return fmt.Errorf("read the journal of runs: %w", err)
	}
	if c.pauses, err = c.Journal.Pauses(c.ctx); err != nil {
		return fmt.Errorf("read which plans are paused: %w", err)
	}
	if c.seen, err = c.Journal.Seen(c.ctx); err != nil {
		return fmt.Errorf("read when jobs were seen first: %w", err)
	}
	for id, state := range states {
		j := &job{Job: Job{ID: id}, state: state}
		if c.jobs[id] = j; isOnce(id) {
			c.recoverOnce(j)
		}
	}
	c.place(c.Jobs)
	var left []*job
	for _, j := range c.jobs {
		if j.state.Running != nil {
			left = append(left, j)
		}
	}
	for k, result := range c.settle(ctx, left) {
		c.finish(left[k], result)
	}
	return c.failure
}

// settle finds out how runs of an earlier process ended; all at once, for it
// may have to wait until a process is gone.
func (c *Controller) settle(ctx context.Context, left []*job) []Result {
	results := make([]Result, len(left))
	var settling sync.WaitGroup
	for k, j := range left {
		settling.Go(func() {
			r := *j.state.Running
			results[k] = Result{Outcome: history.Interrupted, Reason: "the service ended during the run"}
			if found := c.Executor.Settle(ctx, Task{Run: r, Job: &j.Job}); found != nil {
				results[k] = *found
			}
			c.Log.Info("found a run of an earlier process", "run", r.ID, "job", j.ID, "outcome", string(results[k].Outcome))
		})
	}
	settling.Wait()
	return results
}
