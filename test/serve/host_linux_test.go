package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/test/processes"
	"holdfast/test/program"
	"holdfast/test/service"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// host is a machine with a configuration.
type host struct{ *service.Host }

func newHost(t *testing.T) *host {
	t.Helper()
	t.Parallel() // every test waits for schedules most of the time
	h := &host{service.NewHost(t)}
	h.Write("source/letter.txt", "dear Ann")
	return h
}

// configure writes a configuration with two repositories, one source of files
// and the plans given.
func (h *host) configure(plans, more string) {
	h.T.Helper()
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %[1]s/local, password: { file: %[1]s/password } }
  offsite: { url: %[1]s/offsite, password: { file: %[1]s/password } }
sources:
  www: { files: { paths: [%[1]s/source] } }
plans:
%[2]s
service:
%[3]s
`, h.Dir, plans, more))
}

func (h *host) init() {
	h.T.Helper()
	h.Holdfast.Run(h.T, "init", "-q", "-r", "local")
	h.Holdfast.Run(h.T, "init", "-q", "-r", "offsite")
}

// noUpkeep is a service that only backs up.
const noUpkeep = `  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }`

// running is a service that was started.
type running struct {
	*service.Service

	h *host
}

func (h *host) serve(args ...string) *running { return &running{h.Serve(args...), h} }

// begun returns the IDs of the runs that a service said it began.
func (s *running) begun() []string {
	var ids []string
	for line := range strings.Lines(s.Log()) {
		var e struct{ Event, Run string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Event == "run-started" {
			ids = append(ids, e.Run)
		}
	}
	return ids
}

// run is a run of the history, as far as it is looked at.
type run struct {
	ID        string
	Plan      string
	Job       string
	Type      string
	Trigger   string
	Outcome   string
	Reason    string
	Attempt   int
	Due       time.Time
	Started   time.Time
	Ended     time.Time
	Snapshots []string
	Phases    []struct{ Name string }
}

// runs returns the history, the newest first.
func (h *host) runs(args ...string) []run {
	h.T.Helper()
	return program.JSON[run](h.T, h.Holdfast, append([]string{"run", "list", "-n", "0"}, args...)...)
}

// count counts the runs of a job with an outcome.
func count(runs []run, job, kind, outcome string) int {
	n := 0
	for _, r := range runs {
		if r.Job == job && (kind == "" || r.Type == kind) && r.Outcome == outcome {
			n++
		}
	}
	return n
}

// ofRuns returns the processes that belong to runs of services of this test,
// and have the texts in their arguments.
func (h *host) ofRuns(texts ...string) []int {
	return processes.With(append(texts, "HOLDFAST_RUN=", "HOLDFAST_STATE_DIR="+h.Path("state")+"\x00")...)
}

func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	return string(text), err
}
