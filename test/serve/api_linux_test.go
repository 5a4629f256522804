package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"holdfast/internal/api"
	"holdfast/internal/event"
)

// caller asks the API of a service as its administrator.
type caller struct {
	t      testing.TB
	url    string
	token  string
	client *http.Client
}

// api returns a caller of a service that runs. It needs the service's first
// log, in which the token is, or one of an earlier start.
func (s *running) api(earlier ...*caller) *caller {
	s.h.T.Helper()
	c := &caller{t: s.h.T, client: http.DefaultClient, url: s.URL(), token: s.Token()}
	if len(earlier) > 0 {
		c.token = earlier[0].token
	}
	if c.token == "" {
		s.h.T.Fatal("the first start shows no token")
	}
	return c
}

// try asks, and returns the status with what was answered.
func (c *caller) try(method, path string, body any) (int, string) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"api/v1"+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// post has something done.
func (c *caller) post(path string, body any) {
	c.t.Helper()
	if status, answer := c.try(http.MethodPost, path, body); status >= 300 {
		c.t.Fatalf("POST %s: %d %s", path, status, answer)
	}
}

// asked returns what the API says.
func asked[T any](c *caller, method, path string, body any) T {
	c.t.Helper()
	status, answer := c.try(method, path, body)
	var v T
	if err := json.Unmarshal([]byte(answer), &v); err != nil || status >= 300 {
		c.t.Fatalf("%s %s: %d %s (%v)", method, path, status, answer, err)
	}
	return v
}

func seen[T any](c *caller, path string) T {
	c.t.Helper()
	return asked[T](c, http.MethodGet, path, nil)
}

// begin has a run begun and returns its ID.
func (c *caller) begin(path string, body any) string {
	c.t.Helper()
	return asked[struct{ Run string }](c, http.MethodPost, path, body).Run
}

func (c *caller) run(id string) api.Run {
	c.t.Helper()
	return seen[api.Run](c, "/runs/"+id)
}

// ended waits for the end of a run.
func (c *caller) ended(h *host, id string) api.Run {
	c.t.Helper()
	h.Until("run "+id+" ends", func() bool { return c.run(id).Outcome != api.Running })
	return c.run(id)
}

// problem returns the problem that speaks of something, nil for none.
func (c *caller) problem(about string) *event.Event {
	c.t.Helper()
	for _, e := range seen[[]event.Event](c, "/problems") {
		if strings.Contains(e.Summary, about) {
			return &e
		}
	}
	return nil
}

// listening is a service that listens at a free port and does nothing by
// itself.
const listening = `  listen: 127.0.0.1:0
` + noUpkeep

// rarely is a plan that is never due in the time of a test.
func rarely(name, more string) string {
	return fmt.Sprintf("  %s: { sources: [www], repository: local, schedule: { full: \"0 0 1 1 *\" }%s }\n", name, more)
}
