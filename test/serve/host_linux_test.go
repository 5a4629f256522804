package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// patience bounds every wait for something that happens in seconds on a
// machine that has nothing else to do.
const patience = 3 * time.Minute

// host is a machine with a configuration.
type host struct {
	t        *testing.T
	dir      string
	holdfast program.Program
}

func newHost(t *testing.T) *host {
	t.Helper()
	t.Parallel() // every test waits for schedules most of the time
	dir := t.TempDir()
	h := &host{t: t, dir: dir}
	h.holdfast = program.Holdfast(t).With("HOLDFAST_CONFIG="+h.path("holdfast.yaml"), "HOLDFAST_STATE_DIR="+h.path("state"))
	h.write("password", "secret")
	h.write("source/letter.txt", "dear Ann")
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name, content string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// configure writes a configuration with two repositories, one source of files
// and the plans given.
func (h *host) configure(plans, service string) {
	h.t.Helper()
	h.write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %[1]s/local, password: { file: %[1]s/password } }
  offsite: { url: %[1]s/offsite, password: { file: %[1]s/password } }
sources:
  www: { files: { paths: [%[1]s/source] } }
plans:
%[2]s
service:
%[3]s
`, h.dir, plans, service))
}

func (h *host) init() {
	h.t.Helper()
	h.holdfast.Run(h.t, "init", "-q", "-r", "local")
	h.holdfast.Run(h.t, "init", "-q", "-r", "offsite")
}

// noUpkeep is a service that only backs up.
const noUpkeep = `  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }`

// service is a running `holdfast serve`.
type service struct {
	h     *host
	cmd   *exec.Cmd
	log   *output
	ended chan error
}

// output collects what a service logs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// serve starts a service. It is killed at the end of the test.
func (h *host) serve(args ...string) *service {
	h.t.Helper()
	s := &service{h: h, log: new(output), ended: make(chan error, 1)}
	s.cmd = h.holdfast.Command(append([]string{"serve", "--log-format", "json"}, args...)...)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	h.t.Cleanup(func() {
		s.cmd.Process.Kill() //nolint:errcheck // it has ended
		if h.t.Failed() {
			h.t.Logf("log of the service:\n%s", s.log)
		}
	})
	return s
}

// signal sends a signal and, for those that end it, waits for that.
func (s *service) signal(signal syscall.Signal) error {
	s.h.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.h.t.Fatal(err)
	}
	if signal == syscall.SIGHUP {
		return nil
	}
	return s.wait()
}

// wait waits for the end of the service.
func (s *service) wait() error {
	s.h.t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(patience):
		s.h.t.Fatal("the service does not end")
		return nil
	}
}

// logged waits until the service has logged something.
func (s *service) logged(text string) {
	s.h.t.Helper()
	s.h.until("the log says "+text, func() bool { return strings.Contains(s.log.String(), text) })
}

// begun returns the IDs of the runs that a service said it began.
func (s *service) begun() []string {
	var ids []string
	for line := range strings.Lines(s.log.String()) {
		var e struct{ Event, Run string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Event == "run-started" {
			ids = append(ids, e.Run)
		}
	}
	return ids
}

// until waits for a condition.
func (h *host) until(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("it never came to it that %s", what)
		}
	}
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
	h.t.Helper()
	return program.JSON[run](h.t, h.holdfast, append([]string{"run", "list", "-n", "0"}, args...)...)
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

// ofRuns returns the processes that belong to runs of services of this test.
func (h *host) ofRuns() []string {
	var found []string
	environments, _ := filepath.Glob("/proc/[0-9]*/environ") //nolint:errcheck // the pattern is right
	for _, path := range environments {
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte("HOLDFAST_RUN=")) && bytes.Contains(text, []byte("HOLDFAST_STATE_DIR="+h.path("state")+"\x00")) {
			found = append(found, path)
		}
	}
	return found
}

func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	return string(text), err
}
