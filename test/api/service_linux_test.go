package api

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"

	"holdfast/test/api/client"
	"holdfast/test/program"
	"holdfast/test/service"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// patience bounds every wait.
const patience = service.Patience

// host is a machine with a plan for a folder of files.
type host struct{ *service.Host }

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{service.NewHost(t)}
	h.Write("holdfast.yaml", fmt.Sprintf(`repositories:
  main: { url: %[1]s/main, password: { file: %[1]s/password } }
sources:
  letters: { files: { paths: [%[1]s/letters] } }
plans:
  letters: { sources: [letters], repository: main, schedule: { incremental: "0 3 1 1 *" } }
service:
  listen: 127.0.0.1:0
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`, h.Dir))
	h.Holdfast.Run(t, "init", "-q", "-r", "main")
	return h
}

// running is a service that listens.
type running struct {
	*service.Service

	h     *host
	url   string
	token string // of the administrator, on the first run
	// described checks what it answers.
	described *described
}

// serve starts a service and waits until it listens.
func (h *host) serve() *running {
	h.T.Helper()
	s := &running{Service: h.Serve(), h: h}
	s.url, s.token = s.URL(), s.Token()
	s.described = newDescribed(h.T, s.url)
	return s
}

// stop ends the service as systemd does.
func (s *running) stop() {
	s.h.T.Helper()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		s.h.T.Errorf("the service ended with %v", err)
	}
}

// as returns a client with a token. Its answers are checked.
func (s *running) as(token string) *client.ClientWithResponses {
	s.h.T.Helper()
	c, err := client.NewClientWithResponses(s.url+"api/v1", client.WithHTTPClient(s.described), client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		s.h.T.Fatal(err)
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
