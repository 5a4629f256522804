package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"holdfast/internal/api"
	"holdfast/internal/web/webtest"
)

// guardOf is a guard of its own with one token, that of an admin.
func guardOf(t *testing.T) (*api.Guard, string) {
	t.Helper()
	g, err := api.NewGuard(api.GuardOptions{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	token, err := g.FirstToken()
	if err != nil {
		t.Fatal(err)
	}
	return g, token
}

// wholeSide is sideOf with a guard, which the settings need.
func wholeSide(t *testing.T, b api.Backend) *side {
	t.Helper()
	g, _ := guardOf(t)
	return &side{t, b, New(Options{Backend: b, Guard: g, Zone: time.UTC}), api.RoleAdmin}
}

// maxCrawled bounds how many pages of one service are looked at.
const maxCrawled = 150

// Whatever can be reached by links is there, is allowed to who sees the link,
// and is what a page must be.
func TestAllLinksLeadSomewhere(t *testing.T) {
	now := time.Now()
	for name, b := range map[string]*webtest.Backend{
		"usual": webtest.Usual(now), "hostile": webtest.Hostile(now), "empty": webtest.Empty(now), "many": webtest.Many(now, 1000),
	} {
		for _, role := range []api.Role{api.RoleViewer, api.RoleOperator, api.RoleAdmin} {
			t.Run(name+" as "+role.String(), func(t *testing.T) {
				t.Parallel()
				crawl(t, wholeSide(t, b).as(role))
			})
		}
	}
}

func crawl(t *testing.T, s *side) {
	seen := map[string]bool{"/": true}
	from := map[string]string{}
	for queue := []string{"/"}; len(queue) > 0 && len(seen) < maxCrawled; queue = queue[1:] {
		target := queue[0]
		w := s.get(target)
		if w.Code != http.StatusOK {
			t.Errorf("%s, linked from %s: status %d: %.300s", target, from[target], w.Code, textOf(parsed(t, w.Body)))
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		if n := compressed(t, w.Body.Bytes()); n > maxPage {
			t.Errorf("%s: %d bytes", target, n)
		}
		doc := parsed(t, w.Body)
		sound(t, target, doc)
		for _, to := range linksOf(t, target, doc) {
			if !seen[to] {
				seen[to], from[to] = true, target
				queue = append(queue, to)
			}
		}
	}
}

// linksOf are the pages that a page leads to.
func linksOf(t *testing.T, target string, doc *html.Node) []string {
	t.Helper()
	base, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, a := range append(all(doc, "a"), all(doc, "link")...) {
		to, err := base.Parse(attribute(a, "href"))
		if err != nil {
			t.Errorf("%s: a link to %q: %v", target, attribute(a, "href"), err)
			continue
		}
		to.Fragment = ""
		if !strings.HasPrefix(to.Path, "/api/") {
			found = append(found, to.String())
		}
	}
	return found
}

// planPages are the pages of the frame and of plans, runs and events.
func planPages(b *webtest.Backend) []string {
	plan := b.AllPlans[0].Name
	return []string{
		"/", "/?show=unsafe", "/?q=nothing-is-like-this", "/?page=99", "/help", "/protect", "/runs", "/runs?outcome=failed&span=30d", "/runs?plan=nobody", "/runs/run-live", "/runs/run-live/stop", "/runs/run-failed",
		"/runs/run-protect", "/runs/run-000", "/events", "/events?open=1", "/events?severity=error", "/settings",
		string(link("plans", plan)), string(link("plans", plan, "pause")),
	}
}

func TestPagesWhenThingsFail(t *testing.T) {
	for _, c := range []struct {
		fail   error
		status int
		says   string
	}{
		{errors.New("disk I/O error <b>"), http.StatusInternalServerError, "disk I/O error <b>"},
		{fmt.Errorf("%w: connection refused", api.ErrUnavailable), http.StatusServiceUnavailable, "does not answer"},
		{&api.HereError{Why: "only root may", Command: []string{"holdfast", "restore", "it's"}}, http.StatusConflict, `holdfast restore 'it'\''s'`},
	} {
		b := webtest.Usual(time.Now())
		pages := planPages(b)
		s := wholeSide(t, b)
		b.Fail = c.fail
		for _, target := range pages {
			if target == "/help" {
				continue // it asks nobody
			}
			w := s.get(target)
			if w.Code != c.status {
				t.Errorf("%s: status %d with %v", target, w.Code, c.fail)
			}
			doc := parsed(t, w.Body)
			sound(t, target, doc)
			mustSay(t, doc, c.says)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	s := wholeSide(t, webtest.Usual(time.Now()))
	for _, target := range []string{"/nothing", "/plans/nobody", "/runs/nobody", "/runs/nobody/log", "/runs/nobody/stop", "/plans/nobody/pause", "/settings/tokens/nobody", "/assets/app.js"} {
		if w := s.get(target); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := s.get("/runs?since=yesterday"); w.Code != http.StatusBadRequest {
		t.Errorf("a day that is none: status %d", w.Code)
	}
}

// Each route is refused to those whose role is too small, and does nothing.
func TestRoles(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := wholeSide(t, b)
	routes := (&site{Options: Options{Backend: b}}).routes()
	wildcard := regexp.MustCompile(`\{[a-z]+\}`)
	for _, r := range routes {
		method, pattern, ok := strings.Cut(r.pattern, " ")
		if !ok {
			continue // the page for what is not there
		}
		target := wildcard.ReplaceAllString(strings.TrimSuffix(pattern, "{$}"), "shop")
		for role := api.Nobody; role < r.role; role++ {
			w := s.as(role).ask(httptest.NewRequest(method, target, nil))
			switch {
			case role == api.Nobody && method == http.MethodGet:
				if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/login?next=") {
					t.Errorf("%s as nobody: status %d to %q", r.pattern, w.Code, to)
				}
			case role == api.Nobody:
				if w.Code != http.StatusUnauthorized {
					t.Errorf("%s as nobody: status %d", r.pattern, w.Code)
				}
			case w.Code != http.StatusForbidden:
				t.Errorf("%s as %v: status %d", r.pattern, role, w.Code)
			}
		}
	}
	if did := b.Done(); len(did) > 0 {
		t.Errorf("was done: %q", did)
	}
}

func TestActs(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := wholeSide(t, b)
	for _, c := range []struct {
		target    string
		form      url.Values
		does, to  string
		badStatus int
	}{
		{"/jobs", url.Values{"job": {"plans/shop/backup"}, "type": {"full"}, "back": {"/plans/shop"}}, "start plans/shop/backup full", "/plans/shop", 0},
		{"/jobs", url.Values{"job": {"plans/shop/backup"}, "back": {"//evil.example.com/"}}, "start plans/shop/backup ", "/", 0},
		{"/jobs", url.Values{}, "", "", http.StatusBadRequest},
		{"/plans/shop/pause", url.Values{"hours": {"4"}, "reason": {" new disks "}}, "pause shop for 14400: new disks", "/plans/shop", 0},
		{"/plans/shop/pause", url.Values{"hours": {"-1"}}, "", "", http.StatusBadRequest},
		{"/plans/shop/resume", url.Values{}, "resume shop", "/plans/shop", 0},
		{"/runs/run-live/stop", url.Values{}, "stop run-live", "/runs/run-live", 0},
		{"/settings/check", url.Values{}, "check plans", "/runs/run-protect", 0},
		{"/settings/channels", url.Values{"channel": {"ops"}}, "test ops", "/settings", 0},
		{"/protect", url.Values{"what": {"/srv/www\r\n\r\n/etc\r\n"}, "to": {"local"}, "name": {"www"}}, `protect /srv/www,/etc to "local" as "www"`, "/runs/run-protect", 0},
		{"/protect", url.Values{"what": {"/srv"}, "to": {"local"}, "to-url": {" /mnt/b "}}, `protect /srv to "/mnt/b" as ""`, "/runs/run-protect", 0},
		{"/protect", url.Values{"what": {" \n"}}, "", "", http.StatusBadRequest},
	} {
		before := len(b.Done())
		w := s.post(c.target, c.form)
		did := strings.Join(b.Done()[before:], "; ")
		if did != c.does {
			t.Errorf("%s %v did %q, want %q", c.target, c.form, did, c.does)
		}
		if c.badStatus != 0 {
			if w.Code != c.badStatus {
				t.Errorf("%s %v: status %d", c.target, c.form, w.Code)
			}
			sound(t, c.target, parsed(t, w.Body))
			continue
		}
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != c.to {
			t.Errorf("%s: status %d to %q, want %q", c.target, w.Code, to, c.to)
		}
	}
}

// What an act had to say is shown once, on the next page that a person sees.
func TestWhatWasDoneIsSaidOnce(t *testing.T) {
	s := wholeSide(t, webtest.Usual(time.Now()))
	said := s.post("/plans/shop/resume", nil).Result().Cookies()
	if len(said) != 1 {
		t.Fatalf("cookies: %v", said)
	}
	ask := func(header string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/plans/shop", nil)
		r.AddCookie(said[0])
		if header != "" {
			r.Header.Set(liveHeader, header)
		}
		return s.ask(r)
	}
	if w := ask("1"); len(w.Result().Cookies()) > 0 {
		t.Error("the script took the message away from the person")
	}
	w := ask("")
	mustSay(t, parsed(t, w.Body), "shop goes on")
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the message stays: %v", c)
	}
}

// behind is the dashboard behind its real guard, as a browser sees it.
func behind(t *testing.T, b api.Backend) (server *httptest.Server, token string) {
	t.Helper()
	g, token := guardOf(t)
	server = httptest.NewServer(g.Middleware(New(Options{Backend: b, Guard: g})))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	server.Client().Jar = jar
	return server, token
}

func page1(t *testing.T, answer *http.Response, err error) *html.Node {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return parsed(t, answer.Body)
}

func TestLogin(t *testing.T) {
	b := webtest.Usual(time.Now())
	server, token := behind(t, b)
	browser := server.Client()

	answer, err := browser.Get(server.URL + "/plans/shop?x=1")
	doc := page1(t, answer, err)
	if answer.Request.URL.Path != "/login" {
		t.Fatalf("a stranger is shown %s", answer.Request.URL)
	}
	form := fieldsOf(formTo(t, doc, "/login"))
	form.Set("token", "hft_wrong")
	answer, err = browser.PostForm(server.URL+"/login", form)
	mustSay(t, page1(t, answer, err), "not known")
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: status %d", answer.StatusCode)
	}
	form.Set("token", " "+token+"\n")
	answer, err = browser.PostForm(server.URL+"/login", form)
	doc = page1(t, answer, err)
	if answer.Request.URL.RequestURI() != "/plans/shop?x=1" {
		t.Fatalf("after the login: %s", answer.Request.URL)
	}
	mustSay(t, doc, "shop", "admin")

	// A form of the page works, one without its token does not.
	stop := fieldsOf(formTo(t, doc, "/logout"))
	if answer, err = browser.PostForm(server.URL+"/runs/run-live/stop", nil); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("a forged form: %v, %v", answer.Status, err)
	}
	page1(t, answer, err)
	if did := b.Done(); len(did) > 0 {
		t.Errorf("a forged form did %q", did)
	}
	answer, err = browser.PostForm(server.URL+"/runs/run-live/stop", stop)
	mustSay(t, page1(t, answer, err), "The run is told to end.")
	if did := strings.Join(b.Done(), ";"); did != "stop run-live" {
		t.Errorf("did %q", did)
	}

	answer, err = browser.PostForm(server.URL+"/logout", stop)
	page1(t, answer, err)
	answer, err = browser.Get(server.URL + "/")
	page1(t, answer, err)
	if answer.Request.URL.Path != "/login" {
		t.Errorf("after the logout: %s", answer.Request.URL)
	}
}

// A new token is on the page that answers, and nowhere else.
func TestTokenIsShownOnce(t *testing.T) {
	server, token := behind(t, webtest.Usual(time.Now()))
	browser := server.Client()
	answer, err := browser.PostForm(server.URL+"/login", url.Values{"token": {token}, "next": {"/settings"}})
	form := fieldsOf(formTo(t, page1(t, answer, err), "/settings/tokens"))
	form.Set("name", "alice")
	form.Set("role", "operator")
	form.Set("days", "30")
	answer, err = browser.PostForm(server.URL+"/settings/tokens", form)
	doc := page1(t, answer, err)
	found := regexp.MustCompile(`hft_[a-z2-7]+`).FindAllString(textOf(doc), -1)
	if len(found) != 1 || found[0] == token {
		t.Fatalf("tokens on the page: %q", found)
	}
	if strings.Contains(fmt.Sprint(answer.Header, answer.Request.URL), found[0]) {
		t.Error("the token is in a header or a URL")
	}
	answer, err = browser.Get(server.URL + "/settings")
	doc = page1(t, answer, err)
	mustSay(t, doc, "alice", "operator")
	if strings.Contains(textOf(doc), found[0]) {
		t.Error("the token is shown again")
	}

	answer, err = browser.Get(server.URL + "/settings/tokens/alice")
	form = fieldsOf(formTo(t, page1(t, answer, err), "/settings/tokens/alice"))
	answer, err = browser.PostForm(server.URL+"/settings/tokens/alice", form)
	mustSay(t, page1(t, answer, err), "The token alice is revoked")
	answer, err = browser.Get(server.URL + "/settings/audit")
	mustSay(t, page1(t, answer, err), "POST /settings/tokens/alice", "token: alice", "login")
}

func TestWhereALoginLeads(t *testing.T) {
	for next, want := range map[string]string{
		"/runs?plan=a": "/runs?plan=a", "": "/", "//evil.example.com": "/", "https://evil.example.com": "/", `/\evil.example.com`: "/",
		"/\tx": "/", "javascript:alert(1)": "/", "/login?next=/": "/", "/assets/app.js": "/",
	} {
		if got := afterLogin(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestThemeIsWrittenIntoThePage(t *testing.T) {
	s := wholeSide(t, webtest.Usual(time.Now()))
	w := s.post("/theme", url.Values{"theme": {"dark"}, "back": {"/runs"}})
	if w.Header().Get("Location") != "/runs" {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	if got := attribute(all(parsed(t, s.ask(r).Body), "html")[0], "data-theme"); got != "dark" {
		t.Errorf("theme %q", got)
	}
	r = httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: themeCookie, Value: "<script>"})
	if got := attribute(all(parsed(t, s.ask(r).Body), "html")[0], "data-theme"); got != "" {
		t.Errorf("theme %q", got)
	}
}

// What the guard refuses looks like the rest, and says what to do.
func TestRefusalsAreShown(t *testing.T) {
	server, token := behind(t, webtest.Usual(time.Now()))
	browser := server.Client()
	answer, err := browser.PostForm(server.URL+"/login", url.Values{"token": {token}})
	page1(t, answer, err)
	ask := func(method, target, host string) *html.Node {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		r.Header.Set("Accept", "text/html,*/*;q=0.8")
		answer, err := browser.Do(r)
		return page1(t, answer, err)
	}
	doc := ask(http.MethodPost, "/runs/run-live/stop", "")
	mustSay(t, doc, "Not from a page of this session", "Nothing was done")
	if len(all(doc, "link")) == 0 {
		t.Error("the page has no style")
	}
	mustSay(t, ask(http.MethodGet, "/", "evil.example"), "not known under the name", "service.hosts")
}

// The audit log names what forms do, whether they may or not.
func TestFormsAreNamedInTheAuditLog(t *testing.T) {
	for _, r := range new(site).routes() {
		if form := strings.HasPrefix(r.pattern, "POST "); form != (r.act != "") {
			t.Errorf("%s is called %q", r.pattern, r.act)
		}
	}
	server, token := behind(t, webtest.Usual(time.Now()))
	browser := server.Client()
	answer, err := browser.PostForm(server.URL+"/login", url.Values{"token": {token}})
	form := fieldsOf(formTo(t, page1(t, answer, err), "/logout"))
	answer, err = browser.PostForm(server.URL+"/runs/run-live/stop", form)
	page1(t, answer, err)
	answer, err = browser.Get(server.URL + "/settings/audit")
	mustSay(t, page1(t, answer, err), "stopRun POST /runs/run-live/stop", "login POST /login")
}
