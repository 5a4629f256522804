package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"holdfast/internal/api"
)

// Guard is what the pages need of api.Guard, which stands before them: it has
// found out who asks, refused what is forged, and set the headers that protect
// pages.
type Guard interface {
	Login(w http.ResponseWriter, r *http.Request, token string) error
	Logout(w http.ResponseWriter, r *http.Request)
	AllTokens() ([]api.TokenInfo, error)
	CreateToken(ctx context.Context, name string, role api.Role, lifetime time.Duration) (secret string, t api.TokenInfo, err error)
	RevokeToken(ctx context.Context, name string) error
	Audit(since time.Time, limit int) ([]api.AuditEntry, error)
	// ShowRefusals has the guard's own refusals shown as pages.
	ShowRefusals(show func(w http.ResponseWriter, r *http.Request, p *api.Problem))
}

var _ Guard = (*api.Guard)(nil)

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
		mux.Handle(r.pattern, s.allowed(r))
	}
	mux.Handle("GET /assets/{name}", s.assets)
	if o.Guard != nil { // without one nothing is refused
		o.Guard.ShowRefusals(s.refused)
	}
	return mux
}

// write sends a whole answer; a reader that went away is nobody to tell.
func write(w io.Writer, text []byte) { _, _ = w.Write(text) }
