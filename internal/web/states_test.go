package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"holdfast/internal/api"
	"holdfast/internal/web/webtest"
)

// notScreens answer with a file, or are no place to be in.
var notScreens = []string{
	"GET /runs/{id}/log", "GET /snapshots/{repository}/{id}/download", "GET /tests/{repository}/{id}/record", "GET /plans/{plan}/report.html",
	"GET /repositories/{repository}/papers/{paper}", "GET /login",
}

// screensOf are addresses of a usual service, by the route that they belong to.
// A route of which planPages and repositoryPages name no page fails the test.
func screensOf(t *testing.T, b *webtest.Backend) map[string][]string {
	t.Helper()
	mux := http.NewServeMux()
	screens := make(map[string][]string)
	for _, r := range (&site{Options: Options{Backend: b}}).routes() {
		if strings.HasPrefix(r.pattern, "GET ") {
			mux.Handle(r.pattern, http.NotFoundHandler())
			screens[r.pattern] = nil
		}
	}
	pages := append(planPages(b), repositoryPages(b)...)
	for _, page := range append(pages, "/welcome", "/settings/audit", "/settings/tokens/admin") {
		_, pattern := mux.Handler(httptest.NewRequest(http.MethodGet, page, nil))
		screens[pattern] = append(screens[pattern], page)
	}
	for _, pattern := range notScreens {
		delete(screens, pattern)
	}
	for pattern, pages := range screens {
		if len(pages) == 0 {
			t.Errorf("no address of %s is known here", pattern)
		}
	}
	return screens
}

// Every screen says what to do next when there is nothing to show, and what
// happened when it failed.
func TestEveryScreenWithNothingAndWithAnError(t *testing.T) {
	usual := webtest.Usual(time.Now())
	screens := screensOf(t, usual)
	empty := wholeSide(t, webtest.Empty(time.Now()))
	failing := wholeSide(t, usual)
	usual.Fail = errors.New("disk I/O error")
	for pattern, pages := range screens {
		for _, page := range pages {
			w := empty.get(page)
			leadsOn(t, page+" of an empty service", w.Code, parsed(t, w.Body))
			if pattern == "GET /help" || strings.HasPrefix(pattern, "GET /settings/") {
				continue // they ask nobody who could fail
			}
			w = failing.get(page)
			doc := parsed(t, w.Body)
			if w.Code != http.StatusInternalServerError {
				t.Errorf("%s of a service that fails: status %d", page, w.Code)
			}
			mustSay(t, doc, "disk I/O error")
			leadsOn(t, page+" of a service that fails", w.Code, doc)
		}
	}
}

// leadsOn holds a page to tell what to do next: each place where nothing is has
// a link, or a command, and so has each error.
func leadsOn(t *testing.T, page string, status int, doc *html.Node) {
	t.Helper()
	if status != http.StatusOK && len(withClass(doc, "trouble")) != 1 {
		t.Errorf("%s: status %d, and it is not said what happened", page, status)
	}
	for _, place := range append(withClass(doc, "empty"), withClass(doc, "trouble")...) {
		if len(all(place, "p")) < 2 || len(all(place, "a"))+len(all(place, "code")) == 0 {
			t.Errorf("%s says %q, and not what to do next", page, textOf(place))
		}
	}
	main := all(doc, "main")
	if len(main) != 1 || len(all(main[0], "a"))+len(all(main[0], "button")) == 0 {
		t.Errorf("%s leads nowhere", page)
	}
}

func withClass(n *html.Node, class string) (found []*html.Node) {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && strings.Contains(" "+attribute(c, "class")+" ", " "+class+" ") {
			found = append(found, c)
		}
	}
	return found
}

// The address of every screen can be handed to somebody else, who logs in and
// is there. What people choose on a screen stands in its address: its forms ask
// for an address, but for those that have something done.
func TestEveryScreenCanBeShared(t *testing.T) {
	b := webtest.Usual(time.Now())
	s, mux := wholeSide(t, b), http.NewServeMux()
	for _, r := range (&site{Options: Options{Backend: b}}).routes() {
		if r.pattern != "/" {
			mux.Handle(r.pattern, http.NotFoundHandler())
		}
	}
	for pattern, pages := range screensOf(t, b) {
		for _, page := range pages {
			to, err := url.Parse(s.as(api.Nobody).get(page).Header().Get("Location"))
			if err != nil || to.Path != "/login" || afterLogin(to.Query().Get("next")) != page {
				t.Errorf("%s leads a stranger to %v", page, to)
			}
			for _, form := range all(parsed(t, s.get(page).Body), "form") {
				method := http.MethodGet
				if strings.EqualFold(attribute(form, "method"), "post") {
					method = http.MethodPost
				}
				action := cmp.Or(attribute(form, "action"), page)
				if _, to := mux.Handler(httptest.NewRequest(method, action, nil)); to == "" {
					t.Errorf("%s (%s): a form goes to %s %s", page, pattern, method, action)
				}
			}
		}
	}
}
