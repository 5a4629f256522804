package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/history"
)

// Options are what a controller works with.
type Options struct {
	Jobs     []Job
	Limits   Limits
	Journal  Journal
	History  History
	Executor Executor
	// Now is the clock on the wall, which may jump; nil for time.Now.
	Now func() time.Time
	Log *slog.Logger
	// Events are told what happens; nil for nobody.
	Events event.Sink
	// Once leaves out what becomes due after the beginning.
	Once bool
	// NewID returns the ID of a run that begins.
	NewID func(now time.Time) string
}

// Controller runs jobs when they are due. Its methods are safe for concurrent
// use; Run is called once.
type Controller struct {
	Options

	requests chan func()
	results  chan finished
	stopped  chan struct{}
	runs     sync.WaitGroup

	// What follows belongs to the goroutine of Run.
	ctx     context.Context //nolint:containedctx // that of Run, for what it starts
	jobs    map[string]*job
	order   []*job // those in the configuration, sorted
	pauses  map[string]Pause
	seen    map[string]time.Time
	load    load
	asked   []*job    // what people asked for once; see ask.go
	began   time.Time // by the clock on the wall
	looked  time.Time // when the clock was looked at last
	ticked  time.Time // the same by the clock that does not jump
	turn    int       // counts what became ready or ended: an order that no clock changes
	failure error
}

// job is a job and what the controller knows of it.
type job struct {
	Job
	state State
	// gone says that the configuration has it no more; its run may go on.
	gone bool
	// once says that a person asked for it, and that it is not run again.
	once bool
	// next is when to look at it again: what is due is not before it. Zero
	// means never.
	next time.Time
	// ready is the run that waits to begin, since when, and why it waits.
	ready *Run
	since time.Time
	// patience is how long it then gives way to others.
	patience time.Duration
	waiting  string
	// readied and ended are the turns in which it became ready and its last run
	// ended.
	readied, ended int
	// opens is the first instant at which it may begin, as found out last.
	opens time.Time
	// stop ends its run.
	stop    context.CancelCauseFunc
	stopFor error
	running Job // as it was when the run began
	flaps   int // how often in a row a continuous job ended soon
}

// finished is a run that has ended.
type finished struct {
	job    *job
	result Result
}

// ErrUnknown says that there is no such job.
var ErrUnknown = errors.New("nothing of that name is scheduled; `holdfast run next` lists the jobs")

// errStopped is what calls return when the controller does not run any more.
var errStopped = errors.New("the service is stopping")

// New returns a controller. Nothing happens before Run.
func New(o Options) *Controller {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = event.Sinks{}
	}
	return &Controller{
		Options: o, requests: make(chan func()), results: make(chan finished), stopped: make(chan struct{}),
		jobs: map[string]*job{}, pauses: map[string]Pause{}, load: newLoad(),
	}
}

// Run works until ctx ends, and returns when no run is left. It returns an
// error if the journal or the history fails: then runs are stopped, too.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.stopped)
	runs, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	c.ctx, c.began = runs, c.Now().Round(0)
	if err := c.recover(ctx); err != nil {
		return err
	}
	c.loop(ctx)
	stop(errStopping)
	c.drain()
	return c.failure
}

// errStopping is why runs end when the service does.
var errStopping = errors.New("the service was stopped")

// do has the goroutine of Run call f, and waits for it.
func (c *Controller) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case c.requests <- func() { f(); close(done) }:
	case <-c.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-c.stopped:
		return errStopped
	}
}

// Replace puts other jobs and limits in place of those there are. What is
// known of a job stays with its ID; runs under way go on as they began.
func (c *Controller) Replace(ctx context.Context, jobs []Job, limits Limits) error {
	return c.do(ctx, func() {
		c.Limits = limits
		c.place(jobs)
	})
}

// Trigger asks for a run of a job now, for somebody. The variant may be "",
// for the weakest.
func (c *Controller) Trigger(ctx context.Context, id, variant, by string) error {
	var err error
	if e := c.do(ctx, func() { err = c.trigger(id, variant, by) }); e != nil {
		return e
	}
	return err
}

func (c *Controller) trigger(id, variant, by string) error {
	j, ok := c.jobs[id]
	if !ok || j.gone || j.once {
		return fmt.Errorf("%s: %w", id, ErrUnknown)
	}
	if j.Continuous {
		return fmt.Errorf("%s runs all the time", id)
	}
	if variant == "" && len(j.Variants) > 0 {
		variant = j.Variants[len(j.Variants)-1].Name
	}
	if _, due := j.variantIndex(variant); !due && variant != "" {
		return fmt.Errorf("%s has no %s", id, variant)
	}
	j.state.Wanted = &Run{Variant: variant, Trigger: history.Manual, By: by, Attempt: 1, Due: c.Now()}
	return c.save(j)
}

func (j *Job) variantIndex(name string) (int, bool) {
	for k, v := range j.Variants {
		if v.Name == name {
			return k, true
		}
	}
	return 0, false
}

// Pause keeps anything of a plan from beginning. What runs goes on, and so
// does the archiving of a database's log, which the server would keep
// otherwise until its disk is full.
func (c *Controller) Pause(ctx context.Context, p Pause) error {
	return c.setPause(ctx, p.Plan, &p)
}

// Resume ends the pause of a plan. What it missed is caught up.
func (c *Controller) Resume(ctx context.Context, plan string) error {
	return c.setPause(ctx, plan, nil)
}

func (c *Controller) setPause(ctx context.Context, plan string, p *Pause) error {
	var err error
	if e := c.do(ctx, func() {
		if err = c.Journal.SavePause(c.ctx, plan, p); err != nil {
			return
		}
		_, was := c.pauses[plan]
		delete(c.pauses, plan)
		if p != nil {
			c.pauses[plan] = *p
		}
		if was != (p != nil) {
			c.tellPause(plan, p)
		}
		c.look()
	}); e != nil {
		return e
	}
	return err
}
