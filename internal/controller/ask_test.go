package controller_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/history"
)

func restoreOf(repository string) controller.Request {
	return controller.Request{By: "anna", Source: "www", Job: controller.Job{
		Plan: "shop", Kind: history.Restore, Repository: repository, Uses: []controller.Use{{Repository: repository}},
	}}
}

// past returns the history, and kept how many jobs the journal has.
func (w *world) past() []history.Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.history)
}

func (w *world) kept() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.states)
}

// What a person asks for begins at once, whatever else runs; it is in the
// history with who asked, and forgotten then.
func TestAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		j := simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)
		w.lives([]controller.Job{j}, narrow, func(c *controller.Controller) {
			time.Sleep(time.Hour + time.Second) // the backup runs
			id, err := c.Ask(t.Context(), restoreOf("nas"))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if n := len(w.began()); n != 2 {
				t.Fatalf("%d runs, want both", n)
			}
			time.Sleep(2 * time.Minute)
			past := w.past()
			last := past[len(past)-1]
			if last.ID != id || last.By != "anna" || last.Plan != "shop" || last.Source != "www" || last.Repository != "nas" || last.Job != history.Restore || last.Trigger != history.Manual {
				t.Errorf("the history has %+v", last)
			}
			if n := w.kept(); n != 1 {
				t.Errorf("the journal keeps %d jobs", n)
			}
		})
	})
}

// A service that dies during it leaves it as interrupted, once, and does not
// begin it again.
func TestAskedForOnceAndInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.states["once/7"] = controller.State{Running: &controller.Run{ID: "7", Kind: history.Restore, Plan: "shop", Repository: "nas", By: "anna", Trigger: history.Manual, Attempt: 1}}
		w.states["once/8"] = controller.State{Wanted: &controller.Run{ID: "8", Kind: history.Forget, Repository: "nas", Trigger: history.Manual, Attempt: 1}}
		w.states["once/9"] = controller.State{Last: &controller.Ended{ID: "9"}}
		w.lives(nil, narrow, func(*controller.Controller) { time.Sleep(time.Hour) })
		if len(w.began()) != 0 || w.kept() != 0 || len(w.past()) != 2 {
			t.Fatalf("%d began, %d are journaled, %d in the history", len(w.began()), w.kept(), len(w.past()))
		}
		for _, run := range w.past() {
			if run.Outcome != history.Interrupted || run.Repository != "nas" {
				t.Errorf("ended as %+v", run)
			}
		}
	})
}

// A run that a person stops is not tried again before it is due.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		j := simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)
		j.Attempts = 3
		w.lives([]controller.Job{j}, narrow, func(c *controller.Controller) {
			time.Sleep(time.Hour + time.Second)
			if err := c.Stop(t.Context(), "nothing", "anna"); !errors.Is(err, controller.ErrNotRunning) {
				t.Errorf("stopping what does not run: %v", err)
			}
			all, err := c.Status(t.Context())
			if err != nil || all[0].Running == nil {
				t.Fatalf("%+v, %v", all, err)
			}
			if err := c.Stop(t.Context(), all[0].Running.ID, "anna"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(12 * time.Hour)
			if len(w.began()) != 1 || len(w.past()) != 1 || w.past()[0].Outcome != history.Interrupted || w.past()[0].Reason != "it was stopped by anna" {
				t.Fatalf("%d began; the history has %+v", len(w.began()), w.past())
			}
			time.Sleep(12 * time.Hour)
			if len(w.began()) != 2 {
				t.Errorf("%d runs the next day", len(w.began()))
			}
		})
	})
}

// What waits for upkeep can be given up.
func TestStopBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, may)
		w.takes = func(controller.Task) (time.Duration, controller.Result) {
			return time.Hour, controller.Result{Outcome: history.Succeeded}
		}
		j := simple(t, "prune", history.Prune, "0 13 * * *", controller.Alone)
		w.lives([]controller.Job{j}, narrow, func(c *controller.Controller) {
			time.Sleep(time.Hour + time.Second)
			id, err := c.Ask(t.Context(), restoreOf(j.Uses[0].Repository))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if len(w.began()) != 1 {
				t.Fatalf("%q began", w.began())
			}
			if err := c.Stop(t.Context(), id, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			if len(w.began()) != 1 || len(w.past()) != 2 || w.past()[0].ID != id || w.past()[0].Outcome != history.Interrupted {
				t.Errorf("%q began; the history has %+v", w.began(), w.past())
			}
		})
	})
}
