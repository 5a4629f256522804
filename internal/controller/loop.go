package controller

import (
	"context"
	"time"
)

// wakeInterval is how often the clock is looked at when nothing is due: so
// soon it is noticed that it was set, or that the machine slept.
const wakeInterval = 10 * time.Second

// jumpOver is by how much the two clocks may differ between two looks.
const jumpOver = 2 * time.Second

// loop runs until ctx ends or something fails that nothing can go on without.
func (c *Controller) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for c.failure == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case request := <-c.requests:
			request()
		case ended := <-c.results:
			c.finish(ended.job, ended.result)
		case <-timer.C:
		}
		timer.Reset(c.look())
	}
}

// drain takes the results of the runs that are left.
func (c *Controller) drain() {
	done := make(chan struct{})
	go func() { c.runs.Wait(); close(done) }()
	for {
		select {
		case ended := <-c.results:
			c.finish(ended.job, ended.result)
		case <-done:
			return
		}
	}
}

// look starts what is due, and returns how long nothing will be.
func (c *Controller) look() time.Duration {
	now := c.Now().Round(0)
	if c.clockJumped(now) {
		for _, j := range c.order {
			j.begin(c.seen, now)
			j.next = now
		}
	}
	c.endPauses(now)
	for _, j := range c.order {
		if !j.next.IsZero() && !now.Before(j.next) {
			c.assess(j, now)
		}
	}
	wake := c.dispatch(now)
	for _, j := range c.order {
		if !j.next.IsZero() {
			wake = min(wake, j.next.Sub(now))
		}
	}
	return max(wake, 0)
}

// clockJumped tells whether the clock on the wall was set since the last look.
func (c *Controller) clockJumped(now time.Time) bool {
	ticked := time.Now()
	differ := now.Sub(c.looked) - ticked.Sub(c.ticked)
	first := c.looked.IsZero()
	c.looked, c.ticked = now, ticked
	if first || differ.Abs() < jumpOver {
		return false
	}
	c.Log.Warn("the clock was set", "by", differ.Round(time.Second))
	return true
}

func (c *Controller) endPauses(now time.Time) {
	for plan, p := range c.pauses {
		if p.Until.IsZero() || now.Before(p.Until) {
			continue
		}
		if c.fail(c.Journal.SavePause(c.background(), plan, nil)) {
			return
		}
		delete(c.pauses, plan)
		c.tellPause(plan, nil)
	}
}

// background is a context for what is written whether or not the service
// stops.
func (c *Controller) background() context.Context { return context.WithoutCancel(c.ctx) }

// fail notes an error that nothing can go on without.
func (c *Controller) fail(err error) bool {
	if err != nil && c.failure == nil {
		c.failure = err
	}
	return err != nil
}

func (c *Controller) save(j *job) error {
	err := c.Journal.Save(c.background(), j.ID, j.state)
	c.fail(err)
	j.next = c.Now().Round(0)
	return err
}
