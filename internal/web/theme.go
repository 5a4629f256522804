package web

import (
	"net/http"
	"time"
)

// themeCookie keeps light or dark, so that the server can write it into the
// page and nothing flickers.
const themeCookie = "holdfast_theme"

func themeOf(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil {
		return ""
	}
	switch c.Value {
	case "light", "dark":
		return c.Value
	}
	return ""
}

// setTheme is the switch between light, dark and what the system likes.
func (s *site) setTheme(w http.ResponseWriter, r *http.Request) {
	c := &http.Cookie{Name: themeCookie, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: -1}
	if theme := r.PostFormValue("theme"); theme == "light" || theme == "dark" {
		c.Value, c.MaxAge = theme, int((365 * 24 * time.Hour).Seconds())
	}
	http.SetCookie(w, c)
	http.Redirect(w, r, localPath(r.PostFormValue("back")), http.StatusSeeOther)
}
