package serve

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
	"holdfast/test/service"
)

const quickPlan = `  www:
    sources: [www]
    repository: local
    copies: [offsite]
    schedule: { full: "@every 1h", incremental: "@every 2s" }`

// Two services cannot have the same state, and the second says why.
func TestASecondServiceIsRefused(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan, noUpkeep)
	h.init()
	first := h.serve()
	first.Logged("service-started")
	r := h.Holdfast.Exits(t, 11, "serve")
	if !strings.Contains(r.Stderr, "another holdfast works with it") {
		t.Errorf("it says %q", r.Stderr)
	}
}

// Nothing that is wrong takes the place of what works, and what is right does
// at once, with all that is known of each job.
func TestReload(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan, noUpkeep)
	h.init()
	s := h.serve()
	h.Until("there is a backup", func() bool { return count(h.history(), "backup", "incremental", "succeeded") > 0 })
	h.configure(strings.ReplaceAll(quickPlan, "incremental", "incremntal"), noUpkeep)
	s.Signal(syscall.SIGHUP) //nolint:errcheck // it goes on
	s.Logged(`did you mean \"incremental\"`)
	before := len(h.runs())
	h.Until("backups go on", func() bool { return len(h.runs()) > before+1 })

	h.configure(strings.ReplaceAll(quickPlan, "incremental", "differential"), noUpkeep)
	s.Logged("the configuration was read")
	h.Until("a differential backup was made", func() bool { return count(h.runs(), "backup", "differential", "succeeded") > 0 })
}

// history is runs before the service has begun one.
func (h *host) history() []run {
	if r := h.Holdfast.Try("run", "list"); r.Code != 0 {
		return nil
	}
	return h.runs()
}

// A service that is told to end ends its runs, keeps what became of them, and
// the next one does them again.
func TestATermination(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan+`
    hooks: { before: [{ command: [/bin/sleep, "600"] }], after: [{ command: [/bin/touch, `+h.Path("after")+`] }] }`, noUpkeep)
	h.init()
	s := h.serve()
	s.Logged("run-started")
	h.Until("the hook runs", func() bool { return len(h.ofRuns()) > 1 })
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if left := h.ofRuns(); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	runs := h.runs()
	if len(runs) != 1 || runs[0].Outcome != "interrupted" || len(runs[0].Phases) == 0 {
		t.Fatalf("the history has %+v", runs)
	}
	// Nothing else is due: what begins is begun for that run.
	h.configure(strings.Replace(quickPlan, "@every 2s", "@every 2h", 1), noUpkeep)
	h.serve()
	h.Until("the run was made up for", func() bool {
		runs := h.runs("--job", "backup")
		return len(runs) > 1 && runs[len(runs)-2].Outcome == "succeeded" && runs[len(runs)-2].Trigger == "retry" && runs[len(runs)-2].Attempt == 2
	})
}

// Hooks run around a backup; one that fails before it keeps it from being made.
func TestHooks(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan+`
    hooks:
      before: [{ command: [/bin/sh, -c, "echo $HOLDFAST_HOOK $HOLDFAST_PLAN >> `+h.Path("told")+`; exit $FAIL"], env: { FAIL: "0" } }]
      on_error: [{ command: [/bin/sh, -c, "echo $HOLDFAST_HOOK $HOLDFAST_OUTCOME >> `+h.Path("told")+`"] }]
      after: [{ command: [/bin/sh, -c, "echo $HOLDFAST_HOOK $HOLDFAST_OUTCOME >> `+h.Path("told")+`"] }]`, noUpkeep)
	h.init()
	h.Holdfast.Run(t, "plan", "run", "www", "--no-copy")
	h.expect("told", "before www\nafter succeeded\n")
	h.configure(quickPlan+`
    hooks: { before: [{ command: [/bin/false] }], on_error: [{ command: [/bin/touch, `+h.Path("error")+`] }] }`, noUpkeep)
	r := h.Holdfast.Exits(t, 1, "plan", "run", "www", "--no-copy")
	if !strings.Contains(r.Stderr, "hook before (/bin/false): exit status 1") {
		t.Errorf("it says %q", r.Stderr)
	}
	h.expect("error", "")
	if n := len(program.JSON[struct{}](t, h.Holdfast, "snapshots", "-r", "local")); n != 1 {
		t.Errorf("%d snapshots, want that of the first run", n)
	}
	h.configure(quickPlan+`
    hooks: { before: [{ command: [/bin/sleep, "600"], timeout: 1s }] }`, noUpkeep)
	if r := h.Holdfast.Exits(t, 1, "plan", "run", "www"); !strings.Contains(r.Stderr, "it took longer than 1s") {
		t.Errorf("it says %q", r.Stderr)
	}
}

// A person and the service do not back up a plan at once.
func TestAPlanIsBackedUpByOne(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan+`
    hooks: { before: [{ command: [/bin/sleep, "4"] }] }`, noUpkeep)
	h.init()
	first := h.Holdfast.Command("plan", "run", "www", "--no-copy")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	h.Until("the first one has begun", func() bool {
		pid, err := readFile(h.Path("state/locks/www"))
		return err == nil && pid != ""
	})
	r := h.Holdfast.Exits(t, 11, "plan", "run", "www", "--no-copy")
	if !strings.Contains(r.Stderr, "a backup of this plan is running (process ") {
		t.Errorf("it says %q", r.Stderr)
	}
	h.Holdfast.Run(t, "plan", "run", "www", "--no-copy", "--retry-lock", service.Patience.String())
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
}

// Runs have the priority that the plan gives them.
func TestLimits(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan+`
    hooks: { before: [{ command: [/bin/sh, -c, "cut -d' ' -f19 /proc/$PPID/stat > `+h.Path("nice")+`"] }] }
    limits: { nice: 7, memory: 512M, upload: 50M, download: 1M }`, noUpkeep)
	h.init()
	h.serve()
	h.Until("there is a backup", func() bool { return count(h.history(), "backup", "incremental", "succeeded") > 0 })
	h.expect("nice", "7\n")
}

// A paused plan begins nothing until it is resumed, in the service and after
// it was started again; what a person asks for is done all the same.
func TestPause(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan, noUpkeep)
	h.init()
	h.Holdfast.Run(t, "plan", "pause", "www", "--reason", "the disk is changed")
	s := h.serve()
	s.Logged("service-started")
	if out := h.Holdfast.Run(t, "run", "next"); !strings.Contains(out, "paused since") {
		t.Errorf("it is not told:\n%s", out)
	}
	h.Holdfast.Run(t, "run", "start", "plans/www/backup", "--type", "full")
	h.Until("the full backup was made", func() bool { return count(h.history(), "backup", "full", "succeeded") == 1 })
	time.Sleep(3 * time.Second) // in which it would have been due
	if n := count(h.runs(), "backup", "incremental", "succeeded"); n > 0 {
		t.Errorf("%d backups were made in the pause", n)
	}
	h.Holdfast.Run(t, "plan", "resume", "www")
	h.Until("backups go on", func() bool { return count(h.runs(), "backup", "incremental", "succeeded") > 0 })
	if r := h.Holdfast.Exits(t, 1, "run", "start", "plans/nobody/backup"); !strings.Contains(r.Stderr, "nothing of that name is scheduled") {
		t.Errorf("it says %q", r.Stderr)
	}
}

// Once does what is due and what follows from it, and ends.
func TestOnce(t *testing.T) {
	h := newHost(t)
	h.configure(quickPlan, noUpkeep)
	h.init()
	h.Holdfast.Run(t, "serve", "--once") // nothing was due before it was seen
	time.Sleep(2100 * time.Millisecond)
	h.Holdfast.Run(t, "serve", "--once")
	if runs := h.runs(); count(runs, "backup", "incremental", "succeeded") != 1 || count(runs, "copy", "", "succeeded") == 0 {
		t.Errorf("the history has %+v", runs)
	}
}

func (h *host) expect(name, content string) {
	h.T.Helper()
	text, err := readFile(h.Path(name))
	if err != nil || text != content {
		h.T.Errorf("%s holds %q (%v), want %q", name, text, err, content)
	}
}
