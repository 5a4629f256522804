package controller_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/schedule"
)

var may = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) // a Monday

// lives runs a controller in the world while test goes on.
func (w *world) lives(jobs []controller.Job, limits controller.Limits, test func(*controller.Controller)) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var c *controller.Controller
	begun := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.serve(ctx, controller.Options{Jobs: jobs, Limits: limits}, func(made *controller.Controller) {
			c = made
			close(begun)
		})
	}()
	<-begun
	synctest.Wait()
	test(c)
	cancel()
	<-ended
}

// began returns the jobs of all runs in the order in which they began.
func (w *world) began() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.executions {
		ids = append(ids, e.Job.ID)
	}
	return ids
}

// underWay counts the runs that have not ended.
func (w *world) underWay() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.executions {
		if e.ended.IsZero() {
			n++
		}
	}
	return n
}

func (w *world) outcomes(job string) (all []history.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.executions {
		if e.Job.ID == job {
			all = append(all, e.outcome)
		}
	}
	return all
}

func simple(t *testing.T, id string, kind history.Job, at string, mode controller.Mode) controller.Job {
	return controller.Job{
		ID: id, Plan: id, Kind: kind, Repository: "local", Attempts: 3, Backoff: time.Minute,
		Variants: []controller.Variant{{Rule: rule(t, at, time.UTC)}},
		Uses:     []controller.Use{{Repository: "local", Mode: mode}},
	}
}

var narrow = controller.Limits{Host: 4, Repository: 1}

// All are due at once: backups go first, then what others rely on, and upkeep
// has the repository for itself.
func TestBackupsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.lives([]controller.Job{
			simple(t, "a prune", history.Prune, "0 13 * * *", controller.Alone),
			simple(t, "b retention", history.Retention, "0 13 * * *", controller.Alone),
			simple(t, "c copy", history.Copy, "0 13 * * *", controller.Writes),
			simple(t, "d backup", history.Backup, "0 13 * * *", controller.Writes),
		}, narrow, func(*controller.Controller) { time.Sleep(2 * time.Hour) })
		if got, want := w.began(), []string{"d backup", "c copy", "b retention", "a prune"}; !slices.Equal(got, want) {
			t.Errorf("they began as %q, want %q", got, want)
		}
		w.judge(narrow)
	})
}

// A service that is told to end before it has begun ends well.
func TestStoppedAtOnce(t *testing.T) {
	w := newWorld(t, 1, may)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c := controller.New(controller.Options{Journal: w, History: w, Executor: w, Now: w.now, NewID: w.newID})
	if err := c.Run(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// A repository that is never free does not keep upkeep away forever.
func TestUpkeepHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(controller.Task) (time.Duration, controller.Result) {
			return 25 * time.Minute, controller.Result{Outcome: history.Succeeded}
		}
		jobs := []controller.Job{simple(t, "prune", history.Prune, "0 13 * * *", controller.Alone)}
		for _, id := range []string{"a", "b", "c"} {
			jobs = append(jobs, simple(t, id, history.Backup, "*/20 * * * *", controller.Writes))
		}
		limits := controller.Limits{Host: 4, Repository: 2}
		w.lives(jobs, limits, func(*controller.Controller) { time.Sleep(12 * time.Hour) })
		if !slices.Contains(w.began(), "prune") {
			t.Error("pruning never began")
		}
		w.judge(limits)
	})
}

// A copy needs two repositories at once. Upkeep that comes often, and takes as
// long, leaves it both now and then.
func TestACopyHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(controller.Task) (time.Duration, controller.Result) {
			return 10 * time.Second, controller.Result{Outcome: history.Succeeded}
		}
		copying := simple(t, "copy", history.Copy, "@every 30s", controller.Reads)
		copying.Uses = append(copying.Uses, controller.Use{Repository: "offsite", Mode: controller.Writes})
		there := simple(t, "there", history.Retention, "@every 9s", controller.Alone)
		there.Uses[0].Repository = "offsite"
		jobs := []controller.Job{
			copying, there,
			simple(t, "here", history.Retention, "@every 9s", controller.Alone),
			simple(t, "backup", history.Backup, "@every 7s", controller.Writes),
		}
		w.lives(jobs, narrow, func(*controller.Controller) { time.Sleep(10 * time.Minute) })
		began := map[string]int{}
		for _, id := range w.began() {
			began[id]++
		}
		for _, j := range jobs {
			if began[j.ID] < 5 {
				t.Errorf("in ten minutes they began so often: %v", began)
				break
			}
		}
		w.judge(narrow)
	})
}

// Where backups and copies take all places all the time, what ranks below them
// has its turn all the same.
func TestProofsHaveTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(controller.Task) (time.Duration, controller.Result) {
			return 8 * time.Second, controller.Result{Outcome: history.Succeeded}
		}
		var jobs []controller.Job
		for _, plan := range []string{"a", "b"} {
			backup := simple(t, plan, history.Backup, "@every 6s", controller.Writes)
			copying := controller.Job{
				ID: plan + " copy", Plan: plan, Kind: history.Copy, Follows: []string{plan}, Attempts: 1,
				Uses: []controller.Use{{Repository: "local"}, {Repository: "offsite", Mode: controller.Writes}},
			}
			proof := simple(t, plan+" proof", history.RestoreTest, "@every 20s", controller.Reads)
			check := simple(t, plan+" check", history.Check, "@every 30s", controller.Reads)
			jobs = append(jobs, backup, copying, proof, check)
		}
		limits := controller.Limits{Host: 4, Repository: 2}
		w.lives(jobs, limits, func(*controller.Controller) { time.Sleep(10 * time.Minute) })
		began := map[string]int{}
		for _, id := range w.began() {
			began[id]++
		}
		for _, j := range jobs {
			if began[j.ID] < 5 {
				t.Errorf("in ten minutes they began so often: %v", began)
				break
			}
		}
		w.judge(limits)
	})
}

// What needs a repository for itself at its end runs beside backups. Where they
// never leave it a moment for that, it has its turn at last.
func TestWhatIsAloneAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		beside := 0
		w.takes = func(task controller.Task) (time.Duration, controller.Result) {
			if task.Job.ID != "prune" {
				return 25 * time.Minute, controller.Result{Outcome: history.Succeeded}
			}
			if task.Job.Uses[0].Mode == controller.Reads {
				beside++
				return 2 * time.Minute, controller.Result{Outcome: history.Skipped, Locked: true}
			}
			return time.Minute, controller.Result{Outcome: history.Succeeded}
		}
		jobs := []controller.Job{simple(t, "prune", history.Prune, "0 13 * * *", controller.AloneAtEnd)}
		for _, id := range []string{"a", "b", "c"} {
			jobs = append(jobs, simple(t, id, history.Backup, "*/20 * * * *", controller.Writes))
		}
		limits := controller.Limits{Host: 5, Repository: 2}
		w.lives(jobs, limits, func(*controller.Controller) { time.Sleep(12 * time.Hour) })
		if outcomes := w.outcomes("prune"); beside != 2 || !slices.Contains(outcomes, history.Succeeded) {
			t.Errorf("it ran %d times beside others, and ended as %v", beside, outcomes)
		}
		w.judge(limits)
	})
}

// A failed run is tried again, later and later, as often as its job says; a
// locked repository is waited for without counting.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(task controller.Task) (time.Duration, controller.Result) {
			if task.Job.ID == "locked" && task.Waits < 5 {
				return time.Second, controller.Result{Outcome: history.Skipped, Locked: true}
			}
			if task.Job.ID == "locked" {
				return time.Second, controller.Result{Outcome: history.Succeeded}
			}
			return time.Second, controller.Result{Outcome: history.Failed}
		}
		w.lives([]controller.Job{
			simple(t, "fails", history.Backup, "0 13 * * *", controller.Writes),
			simple(t, "locked", history.Check, "0 13 * * *", controller.Reads),
		}, narrow, func(*controller.Controller) { time.Sleep(6 * time.Hour) })
		if n := len(w.outcomes("fails")); n != 3 {
			t.Errorf("tried %d times", n)
		}
		got := w.outcomes("locked")
		if len(got) != 6 || got[5] != history.Succeeded {
			t.Errorf("the locked one came to %v", got)
		}
		var between []time.Duration
		for k, e := range w.executions {
			if e.Job.ID == "fails" && k > 0 && e.Attempt > 1 {
				between = append(between, e.began.Sub(w.executions[0].began).Round(time.Minute))
			}
		}
		if want := []time.Duration{time.Minute, 3 * time.Minute}; !slices.Equal(between, want) {
			t.Errorf("tried again after %v, want %v", between, want)
		}
	})
}

// What a paused plan missed is made up for by one run.
func TestAPausedPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.lives([]controller.Job{simple(t, "shop", history.Backup, "0 * * * *", controller.Writes)}, narrow, func(c *controller.Controller) {
			if err := c.Pause(t.Context(), controller.Pause{Plan: "shop", Until: w.now().Add(90 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Hour)
			if n := len(w.began()); n != 0 {
				t.Errorf("%d runs in the pause", n)
			}
			if err := c.Resume(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Minute)
			if n := len(w.began()); n != 1 {
				t.Errorf("%d runs after the pause", n)
			}
			if w.executions[0].Trigger != history.CatchUp {
				t.Errorf("it was begun by %s", w.executions[0].Trigger)
			}
			if err := c.Pause(t.Context(), controller.Pause{Plan: "shop", Until: w.now().Add(2 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * time.Hour)
			if n := len(w.began()); n < 2 {
				t.Error("a pause of two hours still lasts after four")
			}
		})
	})
}

// Windows and blackouts put a run off; a person does not wait for them.
func TestHoursPutRunsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		j := simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)
		j.Hours = schedule.Hours{Zone: time.UTC, Windows: []schedule.Window{{Days: [7]bool{true, true, true, true, true, true, true}, From: 22 * time.Hour, To: 6 * time.Hour}}}
		w.lives([]controller.Job{j}, narrow, func(c *controller.Controller) {
			time.Sleep(9*time.Hour + 59*time.Minute)
			if n := len(w.began()); n != 0 {
				t.Fatalf("%d runs outside of the window", n)
			}
			time.Sleep(2 * time.Minute)
			if n := len(w.began()); n != 1 {
				t.Fatalf("%d runs in the window", n)
			}
			time.Sleep(12 * time.Hour)
			if err := c.Trigger(t.Context(), "shop", "", ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n := len(w.began()); n != 2 {
				t.Errorf("%d runs after a person asked for one", n)
			}
		})
	})
}

// A plan comes after another one that is due at the same time.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		first, second := simple(t, "z database", history.Backup, "0 13 * * *", controller.Writes), simple(t, "a uploads", history.Backup, "0 13 * * *", controller.Writes)
		second.After, first.After = []string{first.ID}, []string{second.ID, "nobody"} // a circle is no order
		w.lives([]controller.Job{first, second}, controller.Limits{Host: 4, Repository: 4}, func(*controller.Controller) { time.Sleep(2 * time.Hour) })
		if len(w.began()) != 2 {
			t.Errorf("a circle keeps runs from beginning: %q", w.began())
		}
		w = newWorld(t, 1, may)
		first.After = nil
		w.lives([]controller.Job{first, second}, controller.Limits{Host: 4, Repository: 4}, func(*controller.Controller) { time.Sleep(2 * time.Hour) })
		if got := w.began(); !slices.Equal(got, []string{first.ID, second.ID}) || w.executions[1].began.Before(w.executions[0].ended) {
			t.Errorf("they began as %q", got)
		}
	})
}

// What comes after jobs that are always under way waits for one run of each, and
// upkeep does not wait for it meanwhile.
func TestAfterWhatNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		backup, copies := simple(t, "backup", history.Backup, "* * * * *", controller.Writes), simple(t, "copy", history.Copy, "* * * * *", controller.Writes)
		test := simple(t, "test", history.RestoreTest, "0 13 * * *", controller.Reads)
		test.After = []string{backup.ID, copies.ID}
		retention := simple(t, "retention", history.Retention, "10 13 * * *", controller.Alone)
		w.lives([]controller.Job{backup, copies, test, retention}, controller.Limits{Host: 4, Repository: 2}, func(*controller.Controller) { time.Sleep(12 * time.Hour) })
		for _, id := range []string{test.ID, retention.ID} {
			if !slices.Contains(w.began(), id) {
				t.Errorf("%s never began", id)
			}
		}
	})
}

// An order is kept after a clock that was ahead is set right.
func TestAfterAClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		first, second := simple(t, "z database", history.Backup, "0 13 * * *", controller.Writes), simple(t, "a uploads", history.Backup, "0 13 * * *", controller.Writes)
		second.After = []string{first.ID}
		w.setClock(365 * 24 * time.Hour)
		w.lives([]controller.Job{first}, controller.Limits{Host: 4, Repository: 4}, func(*controller.Controller) { time.Sleep(2 * time.Hour) })
		w.setClock(-365 * 24 * time.Hour)
		before := len(w.executions)
		w.lives([]controller.Job{first, second}, controller.Limits{Host: 4, Repository: 4}, func(*controller.Controller) { time.Sleep(30 * time.Hour) })
		got := w.executions[before:]
		if len(got) < 2 || got[0].Job.ID != first.ID || got[1].Job.ID != second.ID || got[1].began.Before(got[0].ended) {
			t.Errorf("they began as %q", w.began()[before:])
		}
	})
}

// What was missed while the service was away is left out where a plan says so.
func TestSkipMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		j := simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)
		j.SkipMissed = true
		w.lives([]controller.Job{j}, narrow, func(*controller.Controller) { time.Sleep(time.Minute) })
		time.Sleep(50 * time.Hour)
		w.lives([]controller.Job{j}, narrow, func(*controller.Controller) { time.Sleep(time.Minute) })
		if len(w.began()) != 0 || len(w.history) != 1 || w.history[0].Outcome != history.Skipped {
			t.Errorf("%d runs, history %+v", len(w.began()), w.history)
		}
		w.lives([]controller.Job{j}, narrow, func(*controller.Controller) { time.Sleep(24 * time.Hour) })
		if n := len(w.began()); n != 1 {
			t.Errorf("%d runs on the next day", n)
		}
	})
}

// A continuous job is begun again when it ends, later and later while it ends
// at once, and anew when the configuration says something else.
func TestAContinuousJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		takes := time.Second
		w.takes = func(controller.Task) (time.Duration, controller.Result) {
			return takes, controller.Result{Outcome: history.Failed, Reason: "the server is away"}
		}
		j := controller.Job{ID: "log", Plan: "shop", Kind: history.LogReceive, Continuous: true, Definition: "1"}
		w.lives([]controller.Job{j}, narrow, func(c *controller.Controller) {
			time.Sleep(time.Hour)
			if n := len(w.began()); n < 15 || n > 25 {
				t.Errorf("begun %d times in an hour", n)
			}
			w.mu.Lock()
			takes = 1000 * time.Hour
			w.mu.Unlock()
			time.Sleep(time.Hour)
			before := len(w.began())
			if err := c.Replace(t.Context(), []controller.Job{j}, narrow); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if len(w.began()) != before {
				t.Error("it was begun anew, though nothing changed")
			}
			j.Definition = "2"
			if err := c.Replace(t.Context(), []controller.Job{j}, narrow); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n := len(w.began()); n != before+1 {
				t.Errorf("begun %d times after the change, want once", n-before)
			}
			if err := c.Replace(t.Context(), nil, narrow); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n := w.underWay(); n > 0 {
				t.Error("it still runs, though it is gone")
			}
		})
	})
}

// Other jobs come and go while runs go on, and come back with what is known of
// them.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(controller.Task) (time.Duration, controller.Result) {
			return 10 * time.Minute, controller.Result{Outcome: history.Succeeded}
		}
		j := simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)
		w.lives([]controller.Job{j}, narrow, func(c *controller.Controller) {
			time.Sleep(time.Hour + time.Minute) // it runs
			if err := c.Replace(t.Context(), nil, narrow); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Minute)
			if err := c.Replace(t.Context(), []controller.Job{j}, narrow); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			status, err := c.Status(t.Context())
			if err != nil || len(status) != 1 || status[0].LastGood == nil || status[0].Next.Day() != 5 {
				t.Errorf("status %+v (%v)", status, err)
			}
		})
		if got := w.outcomes("shop"); !slices.Equal(got, []history.Outcome{history.Succeeded}) {
			t.Errorf("it came to %v", got)
		}
	})
}

// A run that takes too long is ended, as failed.
func TestATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(controller.Task) (time.Duration, controller.Result) { return 1000 * time.Hour, controller.Result{} }
		j := simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)
		j.Timeout, j.Attempts = time.Hour, 1
		w.lives([]controller.Job{j}, narrow, func(*controller.Controller) { time.Sleep(3 * time.Hour) })
		if len(w.history) != 1 || w.history[0].Outcome != history.Failed || w.history[0].Reason != "it took longer than its timeout of 1h0m0s: told to stop" {
			t.Errorf("the history has %+v", w.history)
		}
	})
}
