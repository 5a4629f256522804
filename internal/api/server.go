package api

import (
	"context"
	"log/slog"
	"net/http"
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
}

// NewServer returns the API of a backend.
func NewServer(b Backend, g *Guard, o Options) *Server {
	return &Server{backend: b, guard: g, log: o.Log, mux: http.NewServeMux()}
}

// Run follows what happens, for those who listen, until ctx ends; their
// streams end with it.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
