package web

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"holdfast/internal/api"
)

// Guard is what the pages need of api.Guard, which stands before them and has
// put the principal into the request.
type Guard interface {
	// Login begins a session for who has the token.
	Login(w http.ResponseWriter, r *http.Request, token string) error
	// Logout ends the session of the request.
	Logout(w http.ResponseWriter, r *http.Request)
}

// Options are what the dashboard is made of.
type Options struct {
	Backend api.Backend
	Guard   Guard
	Log     *slog.Logger
	// Zone is that of all times shown; nil is the machine's.
	Zone *time.Location
}

// site is the dashboard.
type site struct {
	Options

	pages  *templates
	assets *assets
}

// New returns the dashboard, whose URLs begin at "/". It belongs behind the
// guard's middleware.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	s := &site{Options: o, assets: loadAssets()}
	s.pages = newTemplates(s.functions())
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.allowed(r.role, r.handler))
	}
	mux.Handle("GET /assets/{name}", s.assets)
	return secured(mux)
}

// secured sets what browsers are told about every page: nothing comes from
// elsewhere, nobody frames it, nothing of it is stored.
func secured(h http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// write sends a whole answer; a reader that went away is nobody to tell.
func write(w io.Writer, text []byte) { _, _ = w.Write(text) }
