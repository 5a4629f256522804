package web

import (
	"net/http"
	"net/url"

	"holdfast/internal/api"
)

// route is one address of the dashboard.
type route struct {
	pattern string   // as http.ServeMux knows them
	role    api.Role // the least that may ask
	handler http.Handler
}

// routes are all of them.
func (s *site) routes() []route {
	return append(s.planRoutes(), s.repositoryRoutes()...)
}

// planRoutes are those of the frame and of plans, runs and events.
func (s *site) planRoutes() []route {
	return []route{
		{"GET /{$}", api.RoleViewer, s.show(s.safe)},
		{"GET /login", api.Nobody, http.HandlerFunc(s.loginPage)},
		{"POST /login", api.Nobody, http.HandlerFunc(s.login)},
		{"POST /logout", api.Nobody, http.HandlerFunc(s.logout)},
		{"POST /theme", api.Nobody, http.HandlerFunc(s.setTheme)},
		{"GET /help", api.RoleViewer, s.show(s.help)},

		{"GET /welcome", api.RoleViewer, s.show(s.welcome)},
		{"GET /protect", api.RoleAdmin, s.show(s.protectPage)},
		{"POST /protect", api.RoleAdmin, s.do(s.protect)},
		{"GET /plans/{name}", api.RoleViewer, s.show(s.plan)},
		{"GET /plans/{name}/pause", api.RoleOperator, s.show(s.pausePage)},
		{"POST /plans/{name}/pause", api.RoleOperator, s.do(s.pause)},
		{"POST /plans/{name}/resume", api.RoleOperator, s.do(s.resume)},
		{"POST /jobs", api.RoleOperator, s.do(s.startJob)},

		{"GET /runs", api.RoleViewer, s.show(s.runs)},
		{"GET /runs/{id}", api.RoleViewer, s.show(s.run)},
		{"GET /runs/{id}/log", api.RoleViewer, http.HandlerFunc(s.runLog)},
		{"GET /runs/{id}/stop", api.RoleOperator, s.show(s.stopPage)},
		{"POST /runs/{id}/stop", api.RoleOperator, s.do(s.stop)},
		{"GET /events", api.RoleViewer, s.show(s.events)},

		{"GET /settings", api.RoleViewer, s.show(s.settings)},
		{"POST /settings/check", api.RoleOperator, s.do(s.checkPlans)},
		{"POST /settings/channels", api.RoleOperator, s.do(s.testChannel)},
		{"POST /settings/tokens", api.RoleAdmin, s.show(s.createToken)},
		{"GET /settings/tokens/{name}", api.RoleAdmin, s.show(s.revokePage)},
		{"POST /settings/tokens/{name}", api.RoleAdmin, s.do(s.revoke)},
		{"GET /settings/audit", api.RoleAdmin, s.show(s.audit)},
		{"/", api.RoleViewer, s.show(s.noSuchPage)},
	}
}

// view makes a page.
type view func(r *http.Request) (*page, error)

// act changes something and says where to go then.
type act func(r *http.Request) (*done, error)

// done is what became of an act: where to look now, and what to say there.
type done struct {
	To   string
	Said string // one sentence
}

// show answers with a page.
func (s *site) show(v view) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := v(r)
		if err != nil {
			p = s.errorPage(r, err)
		}
		s.render(w, r, p)
	})
}

// do has something done and goes on to a page, so that loading that again does
// not do it again.
func (s *site) do(a act) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := a(r)
		if err != nil {
			s.render(w, r, s.errorPage(r, err))
			return
		}
		say(w, r, d.Said)
		http.Redirect(w, r, d.To, http.StatusSeeOther)
	})
}

// allowed lets pass who has at least a role. Who is nobody yet and looks at a
// page logs in and comes back to it.
func (s *site) allowed(least api.Role, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch me, _ := api.PrincipalOf(r.Context()); {
		case me.Role >= least:
			h.ServeHTTP(w, r)
		case me.Role == api.Nobody && r.Method == http.MethodGet:
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case me.Role == api.Nobody:
			s.render(w, r, &page{Status: http.StatusUnauthorized, Title: "Log in first", Template: "error.html", Data: trouble{
				What: "Your session is over, so nothing was done.", Next: "Log in, go back and do it again.", To: "/login", ToName: "Log in",
			}})
		default:
			s.render(w, r, &page{Status: http.StatusForbidden, Title: "Not allowed", Template: "error.html", Data: trouble{
				What: "You are logged in as " + me.Name + ", whose role is " + me.Role.String() + ". This needs the role " + least.String() + ".",
				Next: "An admin can make a token for it: holdfast token create --role " + least.String() + ".",
			}})
		}
	})
}
