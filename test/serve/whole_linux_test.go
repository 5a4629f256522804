package serve

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"holdfast/test/pgcluster"
	"holdfast/test/program"
)

// From nothing: protect a folder and a database, let the service run, and
// look at what it did by itself.
func TestFromAFreshMachine(t *testing.T) {
	c := pgcluster.New(t, pgcluster.Versions(t)[15], "wal_level = replica", "max_wal_senders = 10")
	c.Exec("CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n")
	h := newHost(t)
	h.Holdfast.Run(t, "protect", "-q", h.Path("source"), "--to", h.Path("local"))
	h.Holdfast.Run(t, "protect", "-q", c.DSN(), "--to", h.Path("local"))
	plans := program.JSON[struct{ Name string }](t, h.Holdfast, "plan", "list")
	if len(plans) != 2 {
		t.Fatalf("protect has made %+v", plans)
	}
	h.hurry()
	h.Holdfast.Run(t, "init", "-q", "-r", "offsite", "--like", "local")
	h.Holdfast.Run(t, "wal", "init", "-r", "offsite")
	s := h.serve()
	const files = "source"
	h.Until("everything was run for the files", func() bool { return didAll(ofPlan(h.history(), files)) })
	// Its promise is broken on purpose while the rest goes on.
	h.Holdfast.Run(t, "plan", "pause", files)
	h.Until("everything was run", func() bool {
		runs := h.history()
		for _, plan := range plans {
			if !didAll(ofPlan(runs, plan.Name)) {
				return false
			}
		}
		return count(runs, "check", "", "succeeded") > 0 && count(runs, "prune", "", "succeeded") > 0 && count(runs, "log-prune", "", "succeeded") > 0
	})
	told := func(what string) int { return strings.LastIndex(s.Log(), "RPO of plan "+files+" is "+what) }
	h.Until("the broken promise is told of", func() bool { return told("breached") > max(told("near"), told("kept again")) })
	h.Holdfast.Run(t, "plan", "resume", files)
	h.Until("it is told that it is kept again", func() bool { return told("kept again") > told("breached") })
	if out := h.Holdfast.Run(t, "run", "next"); !strings.Contains(out, "/log-receive/") {
		t.Errorf("the log is not received:\n%s", out)
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	for _, r := range h.runs() {
		if r.Outcome == "failed" {
			t.Errorf("%s %s of %s failed: %s", r.Job, r.Type, r.Plan, r.Reason)
		}
	}
	if n := len(program.JSON[struct{}](t, h.Holdfast, "snapshots", "-r", "offsite")); n < 2 {
		t.Errorf("%d snapshots are off-site", n)
	}
	for _, repository := range []string{"local", "offsite"} {
		if out := h.Holdfast.Run(t, "evidence", "verify", "-r", repository); !strings.Contains(out, "all signed, none changed, none missing") {
			t.Errorf("evidence of %s: %s", repository, out)
		}
	}
}

// didAll tells whether the runs of a plan have all that a plan does by itself.
func didAll(of []run) bool {
	for _, job := range []string{"copy", "retention", "restore-test"} {
		if count(of, job, "", "succeeded") == 0 {
			return false
		}
	}
	return count(of, "backup", "full", "succeeded") > 0 && count(of, "backup", "incremental", "succeeded") > 0
}

func ofPlan(runs []run, plan string) (of []run) {
	for _, r := range runs {
		if r.Plan == plan {
			of = append(of, r)
		}
	}
	return of
}

// hurry makes what protect wrote due every few seconds, and adds a copy.
func (h *host) hurry() {
	h.T.Helper()
	text, err := readFile(h.Path("holdfast.yaml"))
	if err != nil {
		h.T.Fatal(err)
	}
	replaced := strings.NewReplacer(
		`"0 2 * * SUN"`, `"@every 25s"`, `"0 2 * * MON-SAT"`, `"@every 6s"`, `"0 12 * * SUN"`, `"@every 20s"`,
		"jitter: 1h", "jitter: 2s", "\n    repository: local\n", "\n    repository: local\n    copies: [offsite]\n    objectives: { rpo: 30s }\n",
	).Replace(text)
	h.Write("holdfast.yaml", replaced+`
service:
  concurrency: { host: 4, repository: 2 }
  survey: 5s
  upkeep: { retention: { schedule: "@every 21s" }, prune: { schedule: "@every 40s" }, check: { schedule: "@every 30s", within: 60s }, log_prune: { schedule: "@every 30s" } }
`)
	h.insert("repositories:\n", fmt.Sprintf("  offsite:\n    url: %s\n    password: {file: %s}\n", h.Path("offsite"), h.Path("password")))
}

// insert puts lines after the first occurrence of a line in the configuration.
func (h *host) insert(after, lines string) {
	h.T.Helper()
	text, err := readFile(filepath.Join(h.Dir, "holdfast.yaml"))
	if err != nil {
		h.T.Fatal(err)
	}
	h.Write("holdfast.yaml", strings.Replace(text, after, after+lines, 1))
}
