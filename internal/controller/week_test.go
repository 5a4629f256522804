package controller_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/schedule"
)

func rule(t *testing.T, text string, zone *time.Location) schedule.Rule {
	t.Helper()
	e, err := schedule.Parse(text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return schedule.Rule{Expression: e}
}

// fleet is a few plans with everything that can be due.
func fleet(t *testing.T, zone *time.Location) []controller.Job {
	var jobs []controller.Job
	for k := range 4 {
		plan, local := fmt.Sprintf("plan%d", k), fmt.Sprintf("local%d", k%2)
		jobs = append(jobs,
			controller.Job{
				ID: plan + "/backup", Plan: plan, Kind: history.Backup, Repository: local, Attempts: 3, Backoff: time.Minute, Timeout: 2 * time.Hour,
				Variants: []controller.Variant{
					{Name: "full", Rule: rule(t, "30 2 * * MON,SUN", zone)},
					{Name: "incremental", Rule: rule(t, "30 */4 * * *", zone)},
				},
				Uses: []controller.Use{{Repository: local, Mode: controller.Writes}},
			},
			controller.Job{
				ID: plan + "/copy/offsite", Plan: plan, Kind: history.Copy, Repository: "offsite", Attempts: 3, Backoff: time.Minute,
				Follows: []string{plan + "/backup"},
				Uses:    []controller.Use{{Repository: local}, {Repository: "offsite", Mode: controller.Writes}},
			},
		)
	}
	for k := range 2 {
		local := fmt.Sprintf("local%d", k)
		for _, upkeep := range []struct {
			kind history.Job
			at   string
			mode controller.Mode
		}{{history.Retention, "0 6 * * *", controller.Alone}, {history.Prune, "0 7 * * SAT", controller.AloneAtEnd}} {
			jobs = append(jobs, controller.Job{
				ID: local + "/" + string(upkeep.kind), Kind: upkeep.kind, Repository: local, Attempts: 3, Backoff: time.Minute,
				Variants: []controller.Variant{{Rule: rule(t, upkeep.at, zone)}},
				Uses:     []controller.Use{{Repository: local, Mode: upkeep.mode}},
			})
		}
	}
	return jobs
}

// expectAll checks that whatever was due between two instants was followed by
// a run that did it: of this variant or a stronger one.
func (w *world) expectAll(jobs []controller.Job, from, to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range jobs {
		for k, v := range j.Variants {
			for due := v.Rule.Next(from); due.Before(to); due = v.Rule.Next(due) {
				if !w.did(&j, k, due) {
					w.t.Errorf("%s of %s, due %v, was lost", v.Name, j.ID, due)
				}
			}
		}
	}
}

func (w *world) did(j *controller.Job, variant int, due time.Time) bool {
	for _, run := range w.history {
		if run.Job != j.Kind || run.Plan != j.Plan || run.Repository != j.Repository || !run.Outcome.Good() || run.Started.Before(due) {
			continue
		}
		for k := range variant + 1 {
			if run.Type == j.Variants[k].Name {
				return true
			}
		}
	}
	return false
}

// mishaps makes runs of any length that sometimes fail or find a lock.
func (w *world) mishaps(t controller.Task) (time.Duration, controller.Result) {
	takes := time.Duration(w.random.IntN(1200)) * time.Second
	switch w.random.IntN(12) {
	case 0:
		if t.Failures == 2 { // the last try: what never succeeds is lost, and rightly so
			break
		}
		return takes, controller.Result{Outcome: history.Failed, Reason: "the network was away"}
	case 1:
		return time.Second, controller.Result{Outcome: history.Failed, Locked: true, Reason: "locked by www"}
	case 2:
		if t.Job.Kind == history.Prune {
			return takes, controller.Result{Outcome: history.Succeeded, Bytes: 1 << 30, More: t.Done < 3<<30}
		}
	}
	return takes, controller.Result{Outcome: history.Succeeded}
}

func inZurich(t *testing.T) *time.Location {
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// A week in which clocks are set forward, with runs that fail, take long and
// find locks: everything is done in time.
func TestAWeek(t *testing.T) {
	for _, start := range []time.Time{
		time.Date(2026, 3, 25, 12, 0, 0, 0, time.UTC), // clocks are set forward on the 29th
		time.Date(2026, 10, 21, 12, 0, 0, 0, time.UTC),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, start)
			jobs, limits := fleet(t, inZurich(t)), controller.Limits{Host: 3, Repository: 1}
			w.takes = w.mishaps
			ctx, cancel := context.WithTimeout(t.Context(), 7*24*time.Hour)
			defer cancel()
			w.serve(ctx, controller.Options{Jobs: jobs, Limits: limits}, nil)
			w.settleDown(controller.Options{Jobs: jobs, Limits: limits})
			w.judge(limits)
			w.expectAll(jobs, start, start.Add(7*24*time.Hour))
		})
	}
}

// settleDown gives the service some calm hours to finish in, and stops it when
// nothing runs.
func (w *world) settleDown(o controller.Options) {
	w.mu.Lock()
	w.left, w.crashed = -1, make(chan struct{})
	w.takes = func(controller.Task) (time.Duration, controller.Result) {
		return time.Second, controller.Result{Outcome: history.Succeeded}
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Hour+59*time.Minute)
	defer cancel()
	w.serve(ctx, o, nil)
}

// The service is killed at any of its writes, again and again: no run is lost,
// done twice, or stuck.
func TestWeeksOfCrashes(t *testing.T) {
	seeds := uint64(20)
	if os.Getenv("HOLDFAST_SOAK") != "" {
		seeds = 300
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Date(2026, 3, 25, 12, 0, 0, 0, time.UTC)
				w := newWorld(t, seed, start)
				w.left = 40
				jobs, limits := fleet(t, inZurich(t)), controller.Limits{Host: 3, Repository: 1}
				w.takes = w.mishaps
				ctx, cancel := context.WithTimeout(t.Context(), 7*24*time.Hour)
				defer cancel()
				w.serve(ctx, controller.Options{Jobs: jobs, Limits: limits}, nil)
				w.settleDown(controller.Options{Jobs: jobs, Limits: limits})
				w.judge(limits)
				w.expectAll(jobs, start, start.Add(7*24*time.Hour))
			})
		})
	}
}

// The clock is set forward and back during the week, by minutes and by years.
func TestAClockThatJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		w := newWorld(t, 7, start)
		jobs, limits := fleet(t, time.UTC), controller.Limits{Host: 3, Repository: 1}
		ctx, cancel := context.WithTimeout(t.Context(), 7*24*time.Hour)
		defer cancel()
		go func() {
			for _, by := range []time.Duration{-30 * time.Minute, 3 * time.Hour, -3 * time.Hour, 4 * 365 * 24 * time.Hour, -4 * 365 * 24 * time.Hour} {
				time.Sleep(20 * time.Hour)
				w.setClock(by)
			}
		}()
		w.serve(ctx, controller.Options{Jobs: jobs, Limits: limits}, nil)
		w.settleDown(controller.Options{Jobs: jobs, Limits: limits})
		for id, s := range w.states {
			if s.Running != nil {
				t.Errorf("job %s is stuck", id)
			}
		}
		// After the clock has come back from four years ahead everything goes on.
		back := start.Add(100*time.Hour - 30*time.Minute)
		w.expectAll(jobs, back.Add(time.Minute), start.Add(7*24*time.Hour-time.Hour))
		if n := len(w.history); n > 4*2*60 {
			t.Errorf("%d runs in a week: a jump of the clock made many of one", n)
		}
	})
}
