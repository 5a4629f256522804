package service

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"holdfast/test/processes"
)

// Service is a `holdfast serve` that was started.
type Service struct {
	h     *Host
	cmd   *exec.Cmd
	log   output
	ended chan error
}

// Serve starts a service, which is killed at the end of the test. Its log is
// shown if the test fails.
func (h *Host) Serve(args ...string) *Service {
	h.T.Helper()
	s := &Service{h: h, ended: make(chan error, 1)}
	s.cmd = h.Holdfast.Command(append([]string{"serve", "--log-format", "json"}, args...)...)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		h.T.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	h.T.Cleanup(func() {
		s.Kill()
		h.runsEnd()
		if h.T.Failed() {
			h.T.Logf("log of the service:\n%s", s.Log())
		}
	})
	return s
}

// runsEnd waits, for a few seconds, until the runs of a service that was killed
// are gone: they die with it, a moment later.
func (h *Host) runsEnd() {
	mark := "HOLDFAST_STATE_DIR=" + h.Path("state") + "\x00"
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(processes.With(mark)) == 0 {
			return
		}
	}
}

// PID returns that of the process.
func (s *Service) PID() int { return s.cmd.Process.Pid }

// Log returns what the service has logged.
func (s *Service) Log() string { return s.log.String() }

// Logged waits until the service has logged something.
func (s *Service) Logged(text string) {
	s.h.T.Helper()
	s.h.Until("the log says "+text, func() bool { return strings.Contains(s.Log(), text) })
}

var (
	saysURL   = regexp.MustCompile(`"msg":"listening","url":"([^"]+)"`)
	saysToken = regexp.MustCompile(`hft_[a-z2-7]{52}`)
)

// URL waits until the service listens, and returns where: it ends in a slash.
func (s *Service) URL() string {
	s.h.T.Helper()
	var found []string
	s.h.Until("the service listens", func() bool {
		found = saysURL.FindStringSubmatch(s.Log())
		return found != nil
	})
	return found[1]
}

// Token returns that of the administrator, which a service shows before it
// listens on the first run; "" on all others.
func (s *Service) Token() string { return saysToken.FindString(s.Log()) }

// Signal sends a signal and, for those that end the service, waits for that.
func (s *Service) Signal(signal syscall.Signal) error {
	s.h.T.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.h.T.Fatal(err)
	}
	if signal == syscall.SIGHUP {
		return nil
	}
	return s.Wait()
}

// Wait waits for the end of the service, and returns how it ended.
func (s *Service) Wait() error {
	s.h.T.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(Patience):
		s.h.T.Fatal("the service does not end")
		return nil
	}
}

// Kill ends the service as a crash does.
func (s *Service) Kill() {
	s.cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it has ended
	s.ended <- <-s.ended
}

// output collects what a service logs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
