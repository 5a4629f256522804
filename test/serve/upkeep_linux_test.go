package serve

import (
	"syscall"
	"testing"

	"holdfast/test/program"
)

// All upkeep is scheduled beside backups that hardly ever rest: none fails
// because of another, each run is on record, and the checks of one round read
// every pack.
func TestUpkeepBesideBackups(t *testing.T) {
	h := newHost(t)
	h.configure(`  www:
    sources: [www]
    repository: local
    copies: [offsite]
    keep: { last: 2 }
    schedule: { full: "@every 11s", incremental: "@every 2s" }`, `  concurrency: { host: 4, repository: 2 }
  upkeep:
    retention: { schedule: "@every 5s" }
    prune: { schedule: "@every 7s", budget: 1G, window: "00:00-24:00" }
    check: { schedule: "@every 3s", within: 11s }`)
	h.init()
	s := h.serve()
	h.Until("all upkeep was done several times", func() bool {
		runs := h.history()
		for job, wanted := range map[string]int{"backup": 8, "copy": 2, "retention": 3, "prune": 3} {
			if count(runs, job, "", "succeeded") < wanted {
				return false
			}
		}
		return len(h.partsRead()) == 3
	})
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	for _, r := range h.runs() {
		if r.Outcome == "failed" {
			t.Errorf("%s %s failed: %s", r.Job, r.Type, r.Reason)
		}
	}
	if left, made := len(program.JSON[struct{}](t, h.Holdfast, "snapshots", "-r", "local")), count(h.runs(), "backup", "", "succeeded"); left >= made {
		t.Errorf("%d snapshots are left of %d", left, made)
	}
	for _, repository := range []string{"local", "offsite"} {
		h.Holdfast.Run(t, "check", "--read-data", "-r", repository)
	}
}

// partsRead returns which parts of the repository scheduled checks read.
func (h *host) partsRead() map[string]bool {
	type evidence struct {
		Record struct{ Subset string }
	}
	parts := make(map[string]bool)
	for _, e := range program.JSON[evidence](h.T, h.Holdfast, "evidence", "list", "-r", "local") {
		if e.Record.Subset != "" {
			parts[e.Record.Subset] = true
		}
	}
	return parts
}
