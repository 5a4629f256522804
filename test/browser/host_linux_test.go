package browser

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"holdfast/test/service"
)

// host is a machine with a service.
type host struct {
	*service.Host

	token string // of the administrator
}

func newHost(t testing.TB) *host {
	t.Helper()
	return &host{Host: service.NewHost(t)}
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
	fmt.Fprintf(&y, "repositories:\n  main: { url: %[1]s/main, password: { file: %[1]s/password } }\n  offsite: { url: %[1]s/offsite, password: { file: %[1]s/password }, site: cellar }\n", h.Dir)
	fmt.Fprintln(&y, "sources:")
	for name := range plans {
		fmt.Fprintf(&y, "  %s: { files: { paths: [%s] } }\n", name, h.Path(name))
	}
	fmt.Fprintln(&y, "plans:")
	for name, more := range plans {
		fmt.Fprintf(&y, "  %[1]s: { sources: [%[1]s], repository: main, schedule: { incremental: \"0 3 1 1 *\" }%[2]s }\n", name, more)
	}
	fmt.Fprintf(&y, "service:\n  listen: %s\n  concurrency: { repository: 8 }\n  archive_places: [%s]\n  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }\n", listen, h.Path("archives"))
	h.Write("holdfast.yaml", y.String())
}

// init makes the repositories.
func (h *host) init() {
	h.T.Helper()
	h.Holdfast.Run(h.T, "init", "-q", "-r", "main")
	h.Holdfast.Run(h.T, "init", "-q", "-r", "offsite", "--like", "main")
}

// running is a service that listens.
type running struct {
	*service.Service

	h   *host
	url string // ends in /
}

// serve starts a service and waits until it listens.
func (h *host) serve() *running {
	h.T.Helper()
	s := &running{Service: h.Serve(), h: h}
	s.url = s.URL()
	if token := s.Token(); token != "" {
		h.token = token
	}
	return s
}

// open opens a window and logs in as an administrator.
func (s *running) open(t testing.TB) *tab {
	t.Helper()
	b := open(t, s.url)
	b.login(s.h.token)
	return b
}
