package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"holdfast/internal/web/webtest"
)

// Another site that logs somebody in is refused, and that is no failure here.
func TestLoginFromAnotherSite(t *testing.T) {
	server, token := behind(t, webtest.Usual(time.Now()))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://elsewhere.example")
	answer, err := server.Client().Do(r)
	mustSay(t, page1(t, answer, err), "does not come from a page", "Log in")
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", answer.StatusCode)
	}
	if jar := server.Client().Jar; len(jar.Cookies(r.URL)) > 0 {
		t.Error("there is a session")
	}
}
