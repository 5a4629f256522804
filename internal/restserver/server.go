// Package restserver serves repositories over restic's REST protocol, to
// restic and to holdfast.
//
// It takes the flags of restic's rest-server and answers as that does, with
// two differences: nothing is ever replaced, not even by two clients at the
// same instant; and keys below holdfast/ are served too, under the same rules:
//
//	HEAD, GET, POST, DELETE <repository>/holdfast/<path>
//	GET  <repository>/holdfast/<path>/    names below it, with sizes
//
// A repository is a folder below Config.Path, at most two deep: /, /alice/,
// /alice/laptop/.
//
// # Append-only
//
// With Config.AppendOnly a client can add objects and read them, and delete
// locks. It can replace and delete nothing else, whatever credentials were
// stolen from it.
package restserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"holdfast/storage"
)

// Config says what is served, and to whom.
type Config struct {
	// Path is the folder that holds the repositories.
	Path string
	// Open opens the folder of a repository as a store, or makes it.
	Open func(dir string, create bool) (storage.Store, error)

	// AppendOnly lets nobody delete anything but locks.
	AppendOnly bool
	// PrivateRepos lets users reach only what lies below a folder of their name.
	PrivateRepos bool
	// NoVerifyUpload takes what is uploaded without comparing its hash.
	NoVerifyUpload bool
	// MaxSizeBytes bounds all repositories together; 0: no bound.
	MaxSizeBytes int64

	// NoAuth asks for no password.
	NoAuth bool
	// HtpasswdFile holds users and hashes of passwords.
	HtpasswdFile string
	// ProxyAuthUsername is a header in which a proxy gives the user it has
	// checked; "" for none.
	ProxyAuthUsername string

	// Prometheus serves /metrics; PrometheusNoAuth to everybody.
	Prometheus, PrometheusNoAuth bool
	// AccessLog, if set, gets a line for each request, in the combined format.
	AccessLog io.Writer
	// Log gets what goes wrong.
	Log *slog.Logger
}

// Server is an http.Handler. New makes it.
type Server struct {
	config  Config
	users   *htpasswd
	quota   *quota
	repos   repositories
	metrics metrics
}

// New reads the users and counts what is stored.
func New(ctx context.Context, c Config) (*Server, error) {
	s := &Server{config: c}
	if !c.NoAuth && c.ProxyAuthUsername == "" {
		users, err := readHtpasswd(c.HtpasswdFile, c.Log)
		if err != nil {
			return nil, err
		}
		s.users = users
	}
	if c.MaxSizeBytes > 0 {
		used, err := usedBytes(ctx, c.Path)
		if err != nil {
			return nil, fmt.Errorf("count what is stored: %w", err)
		}
		s.quota = &quota{maxBytes: c.MaxSizeBytes, usedBytes: used}
		c.Log.Info("quota", "used_bytes", used, "max_bytes", c.MaxSizeBytes)
	}
	s.repos = repositories{root: c.Path, open: c.Open, log: c.Log}
	return s, nil
}

// Close waits for what runs in the background.
func (s *Server) Close() { s.repos.close() }

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w, control: http.NewResponseController(w), began: time.Now()}
	var user string
	defer func() { // also of an answer that is broken off by a panic
		s.config.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "user", user, "status", a.status, "took", time.Since(a.began))
		s.logAccess(a, r, user)
	}()
	var err error
	if user, err = s.serve(a, r); err != nil {
		s.refuse(a, r, err)
	}
}

// serve answers a request, or returns why not.
func (s *Server) serve(w *answer, r *http.Request) (user string, err error) {
	w.Header().Set("Server", "holdfast")
	if s.config.Prometheus && r.URL.Path == "/metrics" {
		return s.serveMetrics(w, r)
	}
	user, ok := s.authenticate(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="holdfast rest-server"`)
		return "", status{http.StatusUnauthorized, ""}
	}
	t, err := parsePath(r.URL.Path)
	if err != nil {
		return user, err
	}
	if s.config.PrivateRepos && !s.config.NoAuth && (len(t.folders) == 0 || t.folders[0] != user) {
		return user, status{http.StatusUnauthorized, "this place belongs to another user"}
	}
	q := request{Server: s, w: w, r: r, target: t, user: user}
	return user, q.serve()
}

// request is one request for something in a repository.
type request struct {
	*Server
	w *answer
	r *http.Request
	target
	user string
}

func (q *request) serve() error {
	switch q.what {
	case repository:
		return q.one(map[string]func() error{http.MethodPost: q.create})
	case list:
		return q.one(map[string]func() error{http.MethodGet: q.list})
	default:
		return q.one(map[string]func() error{
			http.MethodHead: q.head, http.MethodGet: q.get, http.MethodPost: q.post, http.MethodDelete: q.delete,
		})
	}
}

// one runs what the method asks for.
func (q *request) one(methods map[string]func() error) error {
	if do, ok := methods[q.r.Method]; ok {
		return do()
	}
	for method := range methods {
		q.w.Header().Add("Allow", method)
	}
	return status{http.StatusMethodNotAllowed, ""}
}

// create makes the folder of a repository.
func (q *request) create() error {
	if q.r.URL.Query().Get("create") != "true" {
		return status{http.StatusBadRequest, ""}
	}
	if _, err := q.repos.get(q.dir(), true); err != nil {
		return err
	}
	q.config.Log.Info("repository made", "repository", q.dir(), "user", q.user)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// store opens the repository.
func (q *request) store() (storage.Store, error) { return q.repos.get(q.dir(), false) }

// status is an answer other than "all is well". The text is for people.
type status struct {
	code int
	text string
}

func (s status) Error() string {
	if s.text == "" {
		return http.StatusText(s.code)
	}
	return s.text
}

// refuse answers with an error. What is wrong with the server itself goes to
// its log, and not to the client.
func (s *Server) refuse(w *answer, r *http.Request, err error) {
	answer := statusOf(err)
	if answer.code >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.config.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if w.status != 0 { // the answer has begun: only breaking it off tells
		panic(http.ErrAbortHandler)
	}
	uploading := r.Method == http.MethodPost && r.ContentLength != 0 && answer.code != http.StatusUnauthorized &&
		(w.receiving || r.Header.Get("Expect") == "")
	if !uploading {
		http.Error(w, answer.Error(), answer.code)
		return
	}
	w.refuseUpload(r, answer)
}

func statusOf(err error) status {
	var given status
	switch {
	case errors.As(err, &given):
		return given
	case errors.Is(err, storage.ErrNotFound):
		return status{http.StatusNotFound, ""}
	case errors.Is(err, storage.ErrExists):
		return status{http.StatusForbidden, "object exists already"}
	case errors.Is(err, storage.ErrFull):
		return status{http.StatusInsufficientStorage, "the server's disk is full"}
	case errors.Is(err, storage.ErrReadOnly), errors.Is(err, fs.ErrPermission):
		return status{http.StatusForbidden, "the server may not write there"}
	case errors.Is(err, storage.ErrInvalidKey):
		return status{http.StatusBadRequest, "not a name"}
	}
	return status{http.StatusInternalServerError, ""}
}
