package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// Prefix is where the API lies.
const Prefix = "/api/v1"

// Options say how to serve the API.
type Options struct {
	Log *slog.Logger
}

// Server is the HTTP API: all of a Backend as JSON below Prefix. It belongs
// inside of the guard's Middleware.
type Server struct {
	backend Backend
	guard   *Guard
	log     *slog.Logger
	mux     *http.ServeMux
	hub     *hub
	// streams holds one token for each answer that is written as it is found:
	// they read repositories for as long as they take.
	streams chan struct{}
}

// maxStreams bounds answers that are written as they are found.
const maxStreams = 8

// NewServer returns the API of a backend.
func NewServer(b Backend, g *Guard, o Options) *Server {
	s := &Server{backend: b, guard: g, log: o.Log, mux: http.NewServeMux(), hub: newHub(), streams: make(chan struct{}, maxStreams)}
	methods := map[string][]string{}
	for _, o := range Operations() {
		serve := g.Require(o.Role, s.handler(o))
		s.mux.HandleFunc(o.Method+" "+Prefix+o.Path, func(w http.ResponseWriter, r *http.Request) {
			Act(r.Context(), o.ID) // also of who may not
			r, end := traced(&o, w, r)
			defer end()
			serve.ServeHTTP(w, r)
		})
		methods[o.Path] = append(methods[o.Path], o.Method)
	}
	for path, known := range methods {
		s.mux.HandleFunc(Prefix+path, otherMethod(known))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, fmt.Errorf("%w: the API has no such address; /api/v1/openapi.json lists all", ErrNotFound))
	})
	return s
}

func otherMethod(known []string) http.HandlerFunc {
	slices.Sort(known)
	allow := strings.Join(known, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		refuse(w, r, fmt.Errorf("%w; use %s", errMethod, allow))
	}
}

// Run follows what happens, for those who listen, until ctx ends; their
// streams end with it.
func (s *Server) Run(ctx context.Context) error {
	defer s.hub.close()
	if err := s.backend.Subscribe(ctx, s.hub.publish); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow what the service does: %w", err)
	}
	<-ctx.Done()
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// handler serves an operation.
func (s *Server) handler(o Operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.serve(&o, w, r); err != nil {
			s.report(&o, r, err)
			refuse(w, r, err)
		}
	})
}

func (s *Server) serve(o *Operation, w http.ResponseWriter, r *http.Request) error {
	params, err := o.readParams(r)
	if err != nil {
		return err
	}
	body, err := o.readBody(r)
	if err != nil {
		return err
	}
	if o.Streamed {
		select {
		case s.streams <- struct{}{}:
			defer func() { <-s.streams }()
		default:
			return fmt.Errorf("%w: %d searches and downloads are", errBusy, maxStreams)
		}
	}
	return o.serve(s, w, r, params, body)
}

// report tells of what failed here; all else is for who asked to see.
func (s *Server) report(o *Operation, r *http.Request, err error) {
	if problemOf(err).Status == http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		s.log.Warn("a request failed", "act", o.ID, "path", r.URL.Path, "error", err)
	}
}

// ended ends an answer that was written as it was found. One that has begun
// and failed is broken off, so that nobody takes it for whole.
func (s *Server) ended(r *http.Request, err error, begun bool) error {
	if err == nil || !begun {
		return err
	}
	if r.Context().Err() == nil {
		s.log.Warn("an answer broke off", "path", r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler)
}
