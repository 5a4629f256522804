package serve

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
)

// rounds is how often the service is killed.
func rounds() int {
	if os.Getenv("HOLDFAST_SOAK") != "" {
		return 150
	}
	return 5
}

const busyPlans = `  www:
    sources: [www]
    repository: local
    copies: [offsite]
    schedule: { full: "@every 7s", incremental: "@every 2s" }
    keep: { last: 5 }
    hooks: { before: [{ command: [/bin/sleep, "0.3"] }] }
    limits: { retries: { attempts: 3, backoff: 1s } }
  again:
    sources: [www]
    repository: offsite
    schedule: { incremental: "@every 3s" }
    limits: { retries: { attempts: 3, backoff: 1s } }`

const busyService = `  concurrency: { host: 4, repository: 2 }
  upkeep: { retention: { schedule: "@every 9s" }, prune: { schedule: "@every 17s" }, check: { schedule: "@every 13s", within: 26s } }`

// A service that is killed at any instant, again and again, forgets no run,
// does none twice, leaves no process behind, and goes on.
func TestKilledServices(t *testing.T) {
	h := newHost(t)
	plans := busyPlans
	if rounds() > 100 {
		// On a busy machine retention is killed so often that more piles up than one
		// run may remove of five: half of them, and more than ten.
		plans = strings.Replace(plans, "last: 5", "last: 30", 1)
	}
	h.configure(plans, busyService)
	h.init()
	random := rand.New(rand.NewPCG(20260301, 5))
	var begun []string
	for range rounds() {
		s := h.serve()
		s.Logged("service-started")
		time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond) // the instant is what the test is about
		s.Signal(syscall.SIGKILL)                                       //nolint:errcheck // it was killed
		begun = append(begun, s.begun()...)
		h.Until("no process of a run is left", func() bool { return len(h.ofRuns()) == 0 })
	}
	s := h.serve()
	calm := time.Now()
	h.Until("every job has done its work again", func() bool {
		runs := slices.DeleteFunc(h.runs(), func(r run) bool { return r.Started.Before(calm) })
		return count(runs, "backup", "full", "succeeded") > 0 && count(runs, "backup", "incremental", "succeeded") > 0 &&
			count(runs, "copy", "", "succeeded") > 0 && count(runs, "retention", "", "succeeded") > 0 &&
			count(runs, "prune", "", "succeeded") > 0 && count(runs, "check", "", "succeeded") > 0
	})
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("a service that was told to end ended with %v", err)
	}
	begun = append(begun, s.begun()...)
	h.judge(begun)
}

// judge checks what must hold of the history, whatever happened.
func (h *host) judge(begun []string) {
	h.T.Helper()
	runs := h.runs()
	known := map[string]int{}
	for _, r := range runs {
		known[r.ID]++
	}
	for _, id := range begun {
		if known[id] != 1 {
			h.T.Errorf("run %s, which was begun, is in the history %d times", id, known[id])
		}
	}
	if len(begun) < 10 {
		h.T.Errorf("only %d runs were begun", len(begun))
	}
	h.judgeTimes(runs)
	interrupted := count(runs, "backup", "", "interrupted") + count(runs, "copy", "", "interrupted")
	h.T.Logf("%d runs, %d of backups and copies interrupted, %d failed", len(runs), interrupted, countOutcome(runs, "failed"))
	for _, r := range runs {
		if r.Outcome == "failed" {
			h.T.Errorf("%s %s of %s failed: %s", r.Job, r.Type, r.Plan, r.Reason)
		}
	}
	for _, repository := range []string{"local", "offsite"} {
		h.Holdfast.Run(h.T, "check", "-r", repository, "--read-data")
	}
	h.judgeSnapshots(runs, interrupted)
}

func countOutcome(runs []run, outcome string) (n int) {
	for _, r := range runs {
		if r.Outcome == outcome {
			n++
		}
	}
	return n
}

// judgeTimes checks that no instant was dealt with twice, and that no two
// backups of one plan ran at once.
func (h *host) judgeTimes(runs []run) {
	h.T.Helper()
	good := map[string]string{}
	for i, a := range runs {
		if a.Job != "backup" {
			continue
		}
		key := a.Plan + a.Type + a.Due.String()
		if first, twice := good[key]; twice && a.Outcome == "succeeded" {
			h.T.Errorf("backup %s of %s due %v was made twice: %s and %s", a.Type, a.Plan, a.Due, first, a.ID)
		}
		if a.Outcome == "succeeded" {
			good[key] = a.ID
		}
		for _, b := range runs[i+1:] {
			if b.Job == "backup" && b.Plan == a.Plan && a.Started.Before(b.Ended) && b.Started.Before(a.Ended) {
				h.T.Errorf("runs %s and %s of plan %s were under way at once", a.ID, b.ID, a.Plan)
			}
		}
	}
}

// judgeSnapshots checks that each snapshot is one that a run told of, or may be
// of one that was killed right after it was stored.
func (h *host) judgeSnapshots(runs []run, interrupted int) {
	h.T.Helper()
	told := map[string]bool{}
	for _, r := range runs {
		for _, id := range r.Snapshots {
			told[id] = true
		}
	}
	untold := 0
	for _, repository := range []string{"local", "offsite"} {
		for _, s := range program.JSON[struct{ ID string }](h.T, h.Holdfast, "snapshots", "-r", repository) {
			if !told[s.ID] {
				untold++
			}
		}
	}
	if untold > interrupted {
		h.T.Errorf("%d snapshots are in no run, and only %d runs were interrupted", untold, interrupted)
	}
}
