package controller_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// world is what a controller has around it, and what outlives its crash: a
// journal, a history, and runs that take time.
type world struct {
	t      *testing.T
	random *rand.Rand

	mu      sync.Mutex
	offset  time.Duration // of the clock on the wall
	states  map[string]controller.State
	seen    map[string]time.Time
	pauses  map[string]controller.Pause
	history []history.Run
	ids     int
	// left is how many writes there are until the service crashes; -1 for
	// never.
	left    int
	crashed chan struct{}

	executions []*execution
	results    map[string]*controller.Result
	// takes says how long a run takes, and how it ends.
	takes func(controller.Task) (time.Duration, controller.Result)
}

// execution is a run that the executor has seen.
type execution struct {
	controller.Task
	began, ended time.Time // by the clock that does not jump
	outcome      history.Outcome
	more         bool
}

var errCrash = errors.New("crash")

func newWorld(t *testing.T, seed uint64, start time.Time) *world {
	return &world{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), offset: time.Until(start), left: -1, crashed: make(chan struct{}),
		states: map[string]controller.State{}, seen: map[string]time.Time{}, pauses: map[string]controller.Pause{}, results: map[string]*controller.Result{},
		takes: func(controller.Task) (time.Duration, controller.Result) {
			return time.Minute, controller.Result{Outcome: history.Succeeded}
		},
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset)
}

func (w *world) setClock(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += by
}

// write does a write, unless the service crashes before it; it may crash right
// after it, too.
func (w *world) write(do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 {
		return errCrash
	}
	if w.left > 0 {
		if w.left--; w.left == 0 {
			close(w.crashed) // all runs die with it
			if w.random.IntN(2) == 0 {
				do()
			}
			return errCrash
		}
	}
	do()
	return nil
}

func (w *world) States(ctx context.Context) (map[string]controller.State, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.states), nil
}

func (w *world) Save(_ context.Context, job string, s controller.State) error {
	return w.write(func() { w.states[job] = s })
}

func (w *world) Forget(_ context.Context, job string) error {
	return w.write(func() { delete(w.states, job) })
}

func (w *world) Seen(ctx context.Context) (map[string]time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen), nil
}

func (w *world) SaveSeen(_ context.Context, seen map[string]time.Time) error {
	return w.write(func() { w.seen = maps.Clone(seen) })
}

func (w *world) Pauses(ctx context.Context) (map[string]controller.Pause, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.pauses), nil
}

func (w *world) SavePause(_ context.Context, plan string, p *controller.Pause) error {
	return w.write(func() {
		delete(w.pauses, plan)
		if p != nil {
			w.pauses[plan] = *p
		}
	})
}

func (w *world) Append(run history.Run) error {
	return w.write(func() {
		for _, known := range w.history {
			if known.ID == run.ID {
				return
			}
		}
		w.history = append(w.history, run)
	})
}

func (w *world) newID(time.Time) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("run-%d", w.ids)
}

func (w *world) Execute(ctx context.Context, t controller.Task) controller.Result {
	job := *t.Job // as it is in this run
	t.Job = &job
	e := &execution{Task: t, began: time.Now()}
	w.mu.Lock()
	takes, result := w.takes(t)
	w.executions = append(w.executions, e)
	crashed := w.crashed
	w.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		result = controller.Result{Outcome: history.Failed, Reason: "told to stop"}
	case <-crashed:
		result = controller.Result{Outcome: history.Interrupted}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e.ended, e.outcome, e.more = time.Now(), result.Outcome, result.More
	if result.Outcome != history.Interrupted {
		w.results[t.ID] = &result
	}
	return result
}

func (w *world) Settle(_ context.Context, t controller.Task) *controller.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.results[t.ID]
}

// serve runs controllers, one after the other while they crash, until ctx
// ends.
func (w *world) serve(ctx context.Context, o controller.Options, started func(*controller.Controller)) {
	o.Journal, o.History, o.Executor, o.Now, o.NewID = w, w, w, w.now, w.newID
	for ctx.Err() == nil {
		c := controller.New(o)
		if started != nil {
			started(c)
		}
		err := c.Run(ctx)
		if err != nil && !errors.Is(err, errCrash) {
			w.t.Errorf("the controller ended with %v", err)
			return
		}
		if err != nil {
			w.restart()
			time.Sleep(time.Duration(w.random.IntN(600)) * time.Second)
		}
	}
}

// restart lets the next controller live for some time.
func (w *world) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.crashed = 1+w.random.IntN(60), make(chan struct{})
}

// judge checks what must hold of every history of the world.
func (w *world) judge(limits controller.Limits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	inHistory := map[string]int{}
	for _, run := range w.history {
		inHistory[run.ID]++
	}
	good := map[string]string{}
	for k, e := range w.executions {
		if inHistory[e.ID] != 1 {
			w.t.Errorf("run %s of %s is in the history %d times", e.ID, e.Job.ID, inHistory[e.ID])
		}
		if e.outcome == history.Succeeded && !e.more && e.Trigger != history.Manual && !e.Due.IsZero() {
			key := e.Job.ID + " " + e.Variant + " " + e.Due.UTC().String()
			if first, twice := good[key]; twice {
				w.t.Errorf("%s was done twice: %s and %s", key, first, e.ID)
			}
			good[key] = e.ID
		}
		w.judgeBeside(e, w.executions[:k], limits)
	}
	for id, s := range w.states {
		if s.Running != nil {
			w.t.Errorf("job %s is stuck with run %s", id, s.Running.ID)
		}
	}
}

// judgeBeside checks a run against those that were under way when it began.
func (w *world) judgeBeside(e *execution, earlier []*execution, limits controller.Limits) {
	beside, writers := 0, map[string]int{}
	for _, other := range earlier {
		if !other.ended.After(e.began) {
			continue
		}
		beside++
		if other.Job.ID == e.Job.ID {
			w.t.Errorf("%s and %s of job %s ran at once", other.ID, e.ID, e.Job.ID)
		}
		for _, a := range e.Job.Uses {
			for _, b := range other.Job.Uses {
				if a.Repository != b.Repository {
					continue
				}
				if a.Mode == controller.Alone || b.Mode == controller.Alone {
					w.t.Errorf("%s ran beside %s, and one needs the repository for itself", e.Job.ID, other.Job.ID)
				}
				if a.Mode == controller.Writes && b.Mode == controller.Writes {
					writers[a.Repository]++
				}
			}
		}
	}
	if beside >= limits.Host {
		w.t.Errorf("%d runs at once", beside+1)
	}
	for r, n := range writers {
		if n >= limits.Repository {
			w.t.Errorf("%d runs write to %s at once", n+1, r)
		}
	}
}
