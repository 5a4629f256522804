package web

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// flashCookie carries what an act had to say to the page that is shown then.
const (
	flashCookie = "holdfast_said"
	maxSaid     = 500 // bytes
)

// say keeps a sentence for the next page.
func say(w http.ResponseWriter, r *http.Request, sentence string) {
	if sentence == "" {
		return
	}
	if len(sentence) > maxSaid {
		sentence = strings.ToValidUTF8(sentence[:maxSaid], "")
	}
	http.SetCookie(w, &http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(sentence)), Path: "/",
		MaxAge: 60, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// heard returns the sentence that was kept, once.
func heard(w http.ResponseWriter, r *http.Request) string {
	c, err := r.Cookie(flashCookie)
	if err != nil || r.Header.Get(liveHeader) != "" {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) > maxSaid || !utf8.Valid(text) {
		return ""
	}
	return string(text)
}

// liveHeader marks a request of the script, which looks at a page again.
const liveHeader = "Holdfast-Live"
