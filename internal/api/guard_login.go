package api

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// actLogin is what the audit log calls it.
const actLogin = "login"

// Login begins a session for who has a token, in place of the one that the
// browser may have: its cookie has a new ID. It returns ErrUnauthenticated, a
// *TooManyError or ErrForeign. It belongs inside of Middleware, which writes it
// down in the name of the token.
func (g *Guard) Login(w http.ResponseWriter, r *http.Request, token string) error {
	if err := g.origin.Check(r); err != nil {
		return ErrForeign
	}
	hash, info, err := g.check(r, strings.TrimSpace(token))
	if err != nil {
		return err
	}
	if old, err := r.Cookie(cookieName(r)); err == nil {
		g.sessions.end(old.Value)
	}
	setCookie(w, r, g.sessions.begin(hash), 0)
	Act(r.Context(), actLogin)
	if a := askingOf(r.Context()); a != nil {
		a.principal = Principal{Name: info.Name, Role: info.Role}
	}
	return nil
}

// Logout ends the session of a request.
func (g *Guard) Logout(w http.ResponseWriter, r *http.Request) {
	Act(r.Context(), "logout")
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		g.sessions.end(cookie.Value)
	}
	setCookie(w, r, "", -1)
}

// lasts tells whether what a request showed at its beginning still counts.
func (g *Guard) lasts(ctx context.Context) bool {
	a := askingOf(ctx)
	if a == nil || a.session != "" && !g.sessions.lasts(a.session) {
		return false
	}
	info, err := g.tokens.byID(a.token)
	return err == nil && info.Role >= a.principal.Role
}

// setCookie gives the browser the ID of a session. It ends with the browser or
// with the session, whichever comes first; no script reads it, and no other
// site sends it.
func setCookie(w http.ResponseWriter, r *http.Request, id string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: id, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// cookieName has the port in it: browsers keep the cookies of all ports of a
// host together, and tunnels lead to several services at one host.
func cookieName(r *http.Request) string {
	name := "holdfast"
	if _, port, err := net.SplitHostPort(r.Host); err == nil && strings.Trim(port, "0123456789") == "" {
		name += "_" + port
	}
	if r.TLS != nil {
		name = "__Host-" + name // browsers take it over TLS only, from this host alone
	}
	return name
}
