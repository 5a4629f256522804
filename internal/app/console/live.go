package console

import (
	"sync"

	"holdfast/internal/api"
	"holdfast/internal/event"
	"holdfast/internal/history"
)

// live is what is known of runs that go on beside what the controller knows.
type live struct {
	mu   sync.Mutex
	runs map[string]*api.Run
}

// began notes that a run did.
func (c *Console) began(e *event.Event) {
	r := &api.Run{
		ID: e.Run, Job: e.Job, Plan: e.Plan, Source: e.Source, Repository: e.Repository, Started: e.Time, Outcome: api.Running,
		Type: e.Details["type"], Trigger: e.Details["trigger"], By: e.Details["by"], HasLog: true,
	}
	c.live.mu.Lock()
	c.live.runs[r.ID] = r
	told := *r
	c.live.mu.Unlock()
	c.hub.publish(api.Update{Run: &told})
}

// Progress takes how far a run is.
func (c *Console) Progress(run string, p api.Progress) {
	c.live.mu.Lock()
	r := c.live.runs[run]
	if r == nil {
		c.live.mu.Unlock()
		return
	}
	r.Progress = &p
	told := *r
	c.live.mu.Unlock()
	c.hub.publish(api.Update{Run: &told})
}

// Ended takes a run that is in the history now.
func (c *Console) Ended(r *history.Run) {
	c.live.mu.Lock()
	delete(c.live.runs, r.ID)
	c.live.mu.Unlock()
	c.forgetStatus()
	c.Changed(c.usedBy(r)...)
	c.noteGrowth(r)
	told := c.runOf(r)
	c.hub.publish(api.Update{Run: &told})
	c.surveyAfter(r)
}

// usedBy returns the repositories that a run may have changed.
func (c *Console) usedBy(r *history.Run) (repositories []string) {
	if r.Repository != "" {
		repositories = append(repositories, r.Repository)
	}
	if p, ok := c.o.Config().Plans[r.Plan]; ok {
		repositories = append(repositories, p.Repositories()...)
	}
	return repositories
}

// progressOf returns how far a run is; nil if it has not told.
func (c *Console) progressOf(run string) *api.Progress {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	r := c.live.runs[run]
	if r == nil || r.Progress == nil {
		return nil
	}
	p := *r.Progress
	return &p
}

// surveyAfter has it looked how plans stand after what may have changed it.
func (c *Console) surveyAfter(r *history.Run) {
	switch r.Job {
	case history.Backup, history.Copy, history.Check, history.RestoreTest, history.Retention, history.Prune, history.Forget, history.Protect, history.Extend:
	default:
		return
	}
	if r.Plan != "" {
		c.o.Survey(r.Plan)
		return
	}
	if plans := c.plansOf(r.Repository); len(plans) > 0 {
		c.o.Survey(plans...)
	}
}
