package web

import (
	"net/http"
	"net/url"
	"slices"

	"holdfast/internal/api"
)

// route is one address of the dashboard.
type route struct {
	pattern string   // as http.ServeMux knows them
	role    api.Role // the least that may ask
	act     string   // what it does, as the audit log says it; "" for nothing
	handler http.Handler
}

// sees is a route that shows something, does one that has something done, which
// is called as the API calls it.
func sees(pattern string, least api.Role, h http.Handler) route {
	return route{pattern: pattern, role: least, handler: h}
}

func does(pattern string, least api.Role, act string, h http.Handler) route {
	return route{pattern, least, act, h}
}

// routes are all of them.
func (s *site) routes() []route {
	return slices.Concat(s.planRoutes(), s.repositoryRoutes(), s.actRoutes())
}

// planRoutes are those of the frame and of plans, runs and events.
func (s *site) planRoutes() []route {
	return []route{
		sees("GET /{$}", api.RoleViewer, s.show(s.safe)),
		sees("GET /login", api.Nobody, http.HandlerFunc(s.loginPage)),
		does("POST /login", api.Nobody, "login", http.HandlerFunc(s.login)),
		does("POST /logout", api.Nobody, "logout", http.HandlerFunc(s.logout)),
		does("POST /theme", api.Nobody, "setTheme", http.HandlerFunc(s.setTheme)),
		sees("GET /help", api.RoleViewer, s.show(s.help)),

		sees("GET /welcome", api.RoleViewer, s.show(s.welcome)),
		sees("GET /protect", api.RoleAdmin, s.show(s.protectPage)),
		does("POST /protect", api.RoleAdmin, "protect", s.do(s.protect)),
		sees("GET /plans/{name}", api.RoleViewer, s.show(s.plan)),
		sees("GET /plans/{name}/pause", api.RoleOperator, s.show(s.pausePage)),
		does("POST /plans/{name}/pause", api.RoleOperator, "pausePlan", s.do(s.pause)),
		does("POST /plans/{name}/resume", api.RoleOperator, "resumePlan", s.do(s.resume)),
		does("POST /jobs", api.RoleOperator, "startJob", s.do(s.startJob)),

		sees("GET /runs", api.RoleViewer, s.show(s.runs)),
		sees("GET /runs/{id}", api.RoleViewer, s.show(s.run)),
		sees("GET /runs/{id}/log", api.RoleViewer, http.HandlerFunc(s.runLog)),
		sees("GET /runs/{id}/stop", api.RoleOperator, s.show(s.stopPage)),
		does("POST /runs/{id}/stop", api.RoleOperator, "stopRun", s.do(s.stop)),
		sees("GET /events", api.RoleViewer, s.show(s.events)),

		sees("GET /settings", api.RoleViewer, s.show(s.settings)),
		does("POST /settings/check", api.RoleOperator, "checkPlans", s.do(s.checkPlans)),
		does("POST /settings/channels", api.RoleOperator, "testChannel", s.do(s.testChannel)),
		does("POST /settings/tokens", api.RoleAdmin, "createToken", s.show(s.createToken)),
		sees("GET /settings/tokens/{name}", api.RoleAdmin, s.show(s.revokePage)),
		does("POST /settings/tokens/{name}", api.RoleAdmin, "revokeToken", s.do(s.revoke)),
		sees("GET /settings/audit", api.RoleAdmin, s.show(s.audit)),
		sees("/", api.RoleViewer, s.show(s.noSuchPage)),
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

// allowed lets pass who has at least the role of a route. Who is nobody yet and
// looks at a page logs in and comes back to it.
func (s *site) allowed(to route) http.Handler {
	least := to.role
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.Act(r.Context(), to.act)
		switch me, _ := api.PrincipalOf(r.Context()); {
		case me.Role >= least:
			to.handler.ServeHTTP(w, r)
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
