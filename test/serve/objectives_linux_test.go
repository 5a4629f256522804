package serve

import (
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/api"
)

// An objective that is broken on purpose is told of, and so is that it is kept
// again; across a restart of the service nothing is told twice, or missed.
func TestObjectives(t *testing.T) {
	h := newHost(t)
	h.configure(`  www:
    sources: [www]
    repository: local
    schedule: { full: "0 0 1 1 *" }
    objectives: { rpo: 15s }`, `  listen: 127.0.0.1:0
  survey: 1s
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }`)
	h.init()
	s := h.serve()
	c := s.api()
	s.Logged("RPO of plan www is not known")
	h.Holdfast.Run(t, "run", "start", "plans/www/backup")
	s.Logged("RPO of plan www is kept again")
	s.Logged("RPO of plan www is breached")
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	s = h.serve()
	c = s.api(c)
	h.Until("it was looked how the plans stand", func() bool { return !seen[api.Service](c, "/service").Surveyed.IsZero() })
	h.Holdfast.Run(t, "run", "start", "plans/www/backup")
	s.Logged("RPO of plan www is kept again")
	if before, _, _ := strings.Cut(s.Log(), "RPO of plan www is kept again"); strings.Contains(before, "is breached") {
		t.Errorf("what was told before the restart is told again:\n%s", before)
	}
}
