package api

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
)

// followsLink tells whether somebody follows a link from another site, such as
// one in a chat, to a page. The browser then keeps the cookie of the session to
// itself: the links that pages share must work all the same.
func followsLink(r *http.Request, a *asking) bool {
	h := r.Header
	return a.principal.Role == Nobody && r.Method == http.MethodGet &&
		h.Get("Sec-Fetch-Site") == "cross-site" && h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document" &&
		r.URL.Path != "/login" && !strings.HasPrefix(r.URL.Path, Prefix)
}

// goOn has the browser ask again from a page of this site, and so with its
// cookie: for the login, which lets pass who is logged in.
func goOn(w http.ResponseWriter, r *http.Request) {
	to := html.EscapeString("/login?next=" + url.QueryEscape(r.URL.RequestURI()))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=%s"><title>holdfast</title><p><a href="%s">Go on</a>`+"\n", to, to)
}
