package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"holdfast/internal/api"
)

// loginData is what the login page shows.
type loginData struct {
	Next  string
	Wrong string // why the last try was refused
}

func (s *site) loginPage(w http.ResponseWriter, r *http.Request) {
	next := afterLogin(r.URL.Query().Get("next"))
	if me, _ := api.PrincipalOf(r.Context()); me.Role != api.Nobody {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.render(w, r, &page{Title: "Log in", Template: "login.html", Data: loginData{Next: next}})
}

// login takes a token and begins a session.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	next := afterLogin(r.PostFormValue("next"))
	err := s.Guard.Login(w, r, strings.TrimSpace(r.PostFormValue("token")))
	if err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	p := &page{Status: http.StatusUnauthorized, Title: "Log in", Template: "login.html", Data: loginData{Next: next, Wrong: "This token is not known, has expired or was revoked."}}
	var many *api.TooManyError
	switch {
	case errors.As(err, &many):
		p.Status, p.Data = http.StatusTooManyRequests, loginData{Next: next, Wrong: "There were too many tries from your address. Wait a minute, then try again."}
	case !errors.Is(err, api.ErrUnauthenticated):
		p = s.errorPage(r, err)
	}
	s.render(w, r, p)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	s.Guard.Logout(w, r)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// afterLogin is where to go then: not back to the login, and nowhere else than
// to a page of this site.
func afterLogin(next string) string {
	next = localPath(next)
	if u, err := url.Parse(next); err != nil || strings.HasPrefix(u.Path, "/login") || strings.HasPrefix(u.Path, "/assets/") {
		return "/"
	}
	return next
}
