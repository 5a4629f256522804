package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"holdfast/internal/controller"
)

// ErrNotServed says that no service runs with this state.
var ErrNotServed = errors.New("no holdfast serve is running")

// Status is what a service tells about itself.
type Status struct {
	PID     int                 `json:"pid"`
	Version string              `json:"version"`
	Config  string              `json:"config"`
	Jobs    []controller.Status `json:"jobs"`
}

// request is what commands ask of a service.
type request struct {
	Job   string            `json:"job,omitempty"`
	Type  string            `json:"type,omitempty"`
	Plan  string            `json:"plan,omitempty"`
	Pause *controller.Pause `json:"pause,omitempty"`
}

// control is the socket by which commands reach the service. Who may open it
// may do what the service may: it is for the service's own user only.
type control struct{ listener net.Listener }

// listen makes the socket. One that is there is of a service that died: the
// ledger belongs to this process.
func listen(path string) (*control, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	// Its folder is for this user only, unless somebody else made it.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("listen for commands: %w", errors.Join(err, l.Close()))
	}
	return &control{l}, nil
}

func (c *control) close() error {
	if err := c.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// controlTimeout bounds a request.
const controlTimeout = 30 * time.Second

// serve answers until ctx ends.
func (c *control) serve(ctx context.Context, s *service) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		jobs, err := s.controller.Status(r.Context())
		answer(w, Status{os.Getpid(), s.Version, s.ConfigPath, jobs}, err)
	})
	for path, do := range map[string]func(context.Context, request) error{
		"trigger": func(ctx context.Context, q request) error { return s.controller.Trigger(ctx, q.Job, q.Type, "") },
		"pause":   func(ctx context.Context, q request) error { return s.controller.Pause(ctx, *q.Pause) },
		"resume":  func(ctx context.Context, q request) error { return s.controller.Resume(ctx, q.Plan) },
	} {
		mux.HandleFunc("POST /"+path, func(w http.ResponseWriter, r *http.Request) {
			var q request
			err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&q)
			if err == nil && path == "pause" && q.Pause == nil {
				err = errors.New("no pause given")
			}
			if err == nil {
				err = do(r.Context(), q)
			}
			answer(w, struct{}{}, err)
		})
	}
	server := &http.Server{Handler: mux, ReadTimeout: controlTimeout, WriteTimeout: controlTimeout}
	stop := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // it ends
	defer stop()
	if err := server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen for commands: %w", err)
	}
	return nil
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	json.NewEncoder(w).Encode(v) //nolint:errcheck // who asked has gone
}

// Client reaches a running service.
type Client struct{ http *http.Client }

// Connect returns a client of the service that runs with this state;
// ErrNotServed if none does.
func (d Dir) Connect() (*Client, error) {
	conn, err := net.Dial("unix", d.Socket())
	if err != nil {
		return nil, fmt.Errorf("%w with its state in %s", ErrNotServed, d)
	}
	conn.Close() //nolint:errcheck // it was only to see
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.Socket())
		},
	}
	return &Client{&http.Client{Transport: transport, Timeout: controlTimeout}}, nil
}

// Status asks what the service does.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := new(Status)
	return s, c.call(ctx, http.MethodGet, "status", nil, s)
}

// Trigger asks for a run of a job now.
func (c *Client) Trigger(ctx context.Context, job, variant string) error {
	return c.call(ctx, http.MethodPost, "trigger", request{Job: job, Type: variant}, nil)
}

// Pause asks that nothing of a plan begins.
func (c *Client) Pause(ctx context.Context, p controller.Pause) error {
	return c.call(ctx, http.MethodPost, "pause", request{Pause: &p}, nil)
}

// Resume ends the pause of a plan.
func (c *Client) Resume(ctx context.Context, plan string) error {
	return c.call(ctx, http.MethodPost, "resume", request{Plan: plan}, nil)
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://holdfast/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	if response.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(io.LimitReader(response.Body, 1<<12)) //nolint:errcheck // the status says enough
		return fmt.Errorf("the service refused: %s", strings.TrimSpace(string(message)))
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
