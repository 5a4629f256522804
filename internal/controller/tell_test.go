package controller_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
)

// heard collects what is told of runs that ended.
type heard struct {
	mu    sync.Mutex
	lines []string
}

// Emit implements event.Sink.
func (h *heard) Emit(e event.Event) {
	if e.Kind == event.RunStarted {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	line := fmt.Sprintf("%s %s", e.Severity, e.Kind)
	if e.Key != "" {
		line += " of a problem"
	}
	if e.Over {
		line += " that is over"
	}
	h.lines = append(h.lines, line)
}

// People are told when something lasts: not of each try, and not twice of what
// others tell.
func TestWhatIsTold(t *testing.T) {
	failed := controller.Result{Outcome: history.Failed, Reason: "no route to host"}
	locked := controller.Result{Outcome: history.Skipped, Locked: true, Reason: "locked by www"}
	told := controller.Result{Outcome: history.Failed, Told: true}
	good := controller.Result{Outcome: history.Succeeded}
	for _, c := range []struct {
		name    string
		results []controller.Result
		want    []string
	}{
		{"fails once", []controller.Result{failed, good}, []string{"info run-failed", "info run-succeeded of a problem that is over"}},
		{
			"fails for good",
			[]controller.Result{failed, failed, failed},
			[]string{"info run-failed", "info run-failed", "warning run-failed of a problem"},
		},
		{
			"waits for a lock for long",
			[]controller.Result{locked, locked, locked, locked, good},
			[]string{"info run-missed", "info run-missed", "info run-missed", "warning run-missed of a problem", "info run-succeeded of a problem that is over"},
		},
		{"is told by others", []controller.Result{told, told, told}, []string{"info run-failed", "info run-failed", "info run-failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, may)
				left := c.results
				w.takes = func(controller.Task) (time.Duration, controller.Result) {
					r := left[0]
					left = left[1:]
					return time.Minute, r
				}
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
				defer cancel()
				h := &heard{}
				w.serve(ctx, controller.Options{Jobs: []controller.Job{simple(t, "shop", history.Backup, "0 13 * * *", controller.Writes)}, Limits: narrow, Events: h}, nil)
				if !slices.Equal(h.lines, c.want) {
					t.Errorf("told %q, want %q", h.lines, c.want)
				}
			})
		})
	}
}
