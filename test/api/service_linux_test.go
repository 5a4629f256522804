package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/test/api/client"
	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// patience bounds every wait for something that happens in seconds on a
// machine that has nothing else to do.
const patience = 3 * time.Minute

// host is a machine with a plan for a folder of files.
type host struct {
	t        testing.TB
	dir      string
	holdfast program.Program
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	h.holdfast = program.Holdfast(t).With("HOLDFAST_CONFIG="+h.path("holdfast.yaml"), "HOLDFAST_STATE_DIR="+h.path("state"))
	h.write("password", "secret")
	h.write("holdfast.yaml", fmt.Sprintf(`repositories:
  main: { url: %[1]s/main, password: { file: %[1]s/password } }
sources:
  letters: { files: { paths: [%[1]s/letters] } }
plans:
  letters: { sources: [letters], repository: main, schedule: { incremental: "0 3 1 1 *" } }
service:
  listen: 127.0.0.1:0
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`, h.dir))
	h.holdfast.Run(t, "init", "-q", "-r", "main")
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name, content string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// until waits for a condition.
func (h *host) until(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("it never came to it that %s", what)
		}
	}
}

// service is a running `holdfast serve`.
type service struct {
	h     *host
	cmd   *exec.Cmd
	url   string
	token string // of the administrator, on the first run
	ended chan error
	// described checks what it answers.
	described *described

	mu  sync.Mutex
	log bytes.Buffer
}

var (
	saysToken = regexp.MustCompile(`hft_[a-z2-7]{52}`)
	saysURL   = regexp.MustCompile(`"url":"(http://[^"]+)"`)
)

// serve starts a service and waits until it listens. It is killed at the end
// of the test.
func (h *host) serve() *service {
	h.t.Helper()
	s := &service{h: h, ended: make(chan error, 1)}
	s.cmd = h.holdfast.Command("serve", "--log-format", "json")
	said, err := s.cmd.StderrPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	listens := make(chan struct{})
	go func() {
		s.read(bufio.NewScanner(said), listens)
		s.ended <- s.cmd.Wait()
	}()
	h.t.Cleanup(func() {
		s.cmd.Process.Kill() //nolint:errcheck // it has ended
		<-s.ended
		if h.t.Failed() {
			h.t.Logf("log of the service:\n%s", s.logged())
		}
	})
	select {
	case <-listens:
	case <-time.After(patience):
		h.t.Fatalf("the service does not listen:\n%s", s.logged())
	}
	s.described = newDescribed(h.t, s.url)
	return s
}

func (s *service) read(lines *bufio.Scanner, listens chan<- struct{}) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.mu.Lock()
		fmt.Fprintln(&s.log, lines.Text())
		s.mu.Unlock()
		if found := saysToken.FindString(lines.Text()); found != "" && s.token == "" {
			s.token = found
		}
		if found := saysURL.FindStringSubmatch(lines.Text()); found != nil && s.url == "" {
			s.url = found[1]
			close(listens)
		}
	}
}

func (s *service) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// stop ends the service as systemd does.
func (s *service) stop() {
	s.h.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.h.t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			s.h.t.Errorf("the service ended with %v", err)
		}
	case <-time.After(patience):
		s.h.t.Fatal("the service does not end")
	}
}

// as returns a client with a token. Its answers are checked.
func (s *service) as(token string) *client.ClientWithResponses {
	s.h.t.Helper()
	c, err := client.NewClientWithResponses(s.url+"api/v1", client.WithHTTPClient(s.described), client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		s.h.t.Fatal(err)
	}
	return c
}

// answer is what the client gives for every operation.
type answer interface {
	comparable
	StatusCode() int
}

// want returns an answer with a status, and fails on another.
func want[A answer](t testing.TB, status int) func(got A, err error) A {
	t.Helper()
	return func(got A, err error) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode() != status {
			t.Fatalf("status %d, want %d: %+v", got.StatusCode(), status, got)
		}
		return got
	}
}
