package browser

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
)

// host is a machine with a service.
type host struct {
	t        testing.TB
	dir      string
	token    string // of the administrator
	holdfast program.Program
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	h.holdfast = program.Holdfast(t).With("HOLDFAST_CONFIG="+h.path("holdfast.yaml"), "HOLDFAST_STATE_DIR="+h.path("state"))
	h.write("password", "secret")
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

// random is content that does not compress, the same for each size.
func random(size int) string {
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(content) //nolint:errcheck // it never fails
	return string(content)
}

// configure writes plans. Each has a folder of its own name and goes to main;
// more is what else stands in it.
func (h *host) configure(listen string, plans map[string]string) {
	var y bytes.Buffer
	fmt.Fprintf(&y, "repositories:\n  main: { url: %[1]s/main, password: { file: %[1]s/password } }\n  offsite: { url: %[1]s/offsite, password: { file: %[1]s/password }, site: cellar }\n", h.dir)
	fmt.Fprintln(&y, "sources:")
	for name := range plans {
		fmt.Fprintf(&y, "  %s: { files: { paths: [%s] } }\n", name, h.path(name))
	}
	fmt.Fprintln(&y, "plans:")
	for name, more := range plans {
		fmt.Fprintf(&y, "  %[1]s: { sources: [%[1]s], repository: main, schedule: { incremental: \"0 3 1 1 *\" }%[2]s }\n", name, more)
	}
	fmt.Fprintf(&y, "service:\n  listen: %s\n  concurrency: { repository: 8 }\n  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }\n", listen)
	h.write("holdfast.yaml", y.String())
}

// init makes the repositories.
func (h *host) init() {
	h.t.Helper()
	h.holdfast.Run(h.t, "init", "-q", "-r", "main")
	h.holdfast.Run(h.t, "init", "-q", "-r", "offsite", "--like", "main")
}

// service is a running `holdfast serve`.
type service struct {
	h     *host
	cmd   *exec.Cmd
	url   string // ends in /
	ended chan error

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
		s.kill()
		if h.t.Failed() {
			h.t.Logf("log of the service:\n%s", s.logged())
		}
	})
	select {
	case <-listens:
	case <-time.After(patience):
		h.t.Fatalf("the service does not listen:\n%s", s.logged())
	}
	return s
}

func (s *service) read(lines *bufio.Scanner, listens chan<- struct{}) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.mu.Lock()
		fmt.Fprintln(&s.log, lines.Text())
		s.mu.Unlock()
		if found := saysToken.FindString(lines.Text()); found != "" && s.h.token == "" {
			s.h.token = found
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

// kill ends the service as a crash does.
func (s *service) kill() {
	s.cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it has ended
	s.ended <- <-s.ended
}

// open opens a window and logs in as an administrator.
func (s *service) open(t testing.TB) *tab {
	t.Helper()
	b := open(t, s.url)
	b.login(s.h.token)
	return b
}
