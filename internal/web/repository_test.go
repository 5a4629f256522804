package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
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

// side asks the pages of repositories as somebody with a role.
type side struct {
	t       *testing.T
	b       api.Backend
	handler http.Handler
	role    api.Role
}

func sideOf(t *testing.T, b api.Backend) *side {
	return &side{t, b, New(Options{Backend: b, Zone: time.UTC}), api.RoleAdmin}
}

func (s *side) as(role api.Role) *side {
	with := *s
	with.role = role
	return &with
}

func (s *side) ask(r *http.Request) *httptest.ResponseRecorder {
	s.t.Helper()
	who := api.Principal{Name: "ada", Role: s.role, CSRF: "token-of-forms"}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r.WithContext(api.WithPrincipal(r.Context(), who)))
	return w
}

func (s *side) get(target string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.ask(httptest.NewRequest(http.MethodGet, target, nil))
}

func (s *side) post(target string, form url.Values) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.ask(r)
}

// see is a page that must be all right.
func (s *side) see(target string) *html.Node {
	s.t.Helper()
	w := s.get(target)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: status %d: %.400s", target, w.Code, textOf(parsed(s.t, w.Body)))
	}
	return parsed(s.t, w.Body)
}

func parsed(t *testing.T, r io.Reader) *html.Node {
	t.Helper()
	doc, err := html.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// textOf is what a person reads, with single spaces.
func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func all(n *html.Node, tag string) []*html.Node {
	var found []*html.Node
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && c.Data == tag {
			found = append(found, c)
		}
	}
	return found
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func mustSay(t *testing.T, doc *html.Node, want ...string) {
	t.Helper()
	text := textOf(doc)
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the page does not say %q: %.3000s", w, text)
		}
	}
}

// idOf is the ID of a snapshot that webtest makes.
func idOf(k int) string { return strings.Repeat(fmt.Sprintf("%02x", k), 32) }

// repositoryPages are all pages of this side, of a service with something in it.
func repositoryPages(b *webtest.Backend) []string {
	sn, plan, test := b.Taken[0], b.AllPlans[0], b.AllTests[0]
	file := b.Folders["/"][1].Path
	of := func(parts ...any) string { return string(link(parts...)) }
	return append(actPages(b), []string{
		"/snapshots", of("snapshots", "?", "plan", plan.Name, "since", "2020-01-01"),
		of("snapshots", sn.Repository, sn.ID),
		of("snapshots", sn.Repository, sn.ID, "browse"),
		of("snapshots", sn.Repository, sn.ID, "browse", "?", "path", file),
		of("snapshots", sn.Repository, sn.ID, "browse", "?", "path", "/", "search", "image", "sort", "-size", "offset", "200"),
		of("snapshots", sn.Repository, sn.ID, "versions", "?", "path", file),
		"/find", of("find", "?", "q", "image"), of("find", "?", "q", "<script>alert(1)</script>"),
		of("diff", "?", "repository", sn.Repository, "from", b.Taken[2].ID, "to", sn.ID),
		"/restore", of("restore", "?", "plan", plan.Name), of("restore", "?", "plan", plan.Name, "source", plan.Sources[0].Name),
		of("restore", "?", "repository", sn.Repository, "snapshot", sn.ID, "path", file),
		of("restore", "?", "plan", plan.Name, "source", plan.Sources[0].Name, "time", "2026-11-01T10:00"),
		of("forget", "?", "repository", sn.Repository, "id", sn.ID),
		"/repositories", of("repositories", b.Repos[0].Name), of("repositories", b.Repos[1].Name),
		of("repositories", b.Repos[0].Name, "hold"), of("repositories", b.Repos[0].Name, "holds", b.Repos[0].Holds[0].ID),
		"/tests", of("tests", "?", "plan", plan.Name), of("tests", test.Repository, test.ID),
		of("plans", plan.Name, "report"), of("plans", plan.Name, "report.html"),
	}...)
}

// maxPage is how large a page may be, compressed, in bytes.
const maxPage = 100 << 10

func TestPagesOfRepositories(t *testing.T) {
	now := time.Now()
	for name, b := range map[string]*webtest.Backend{"usual": webtest.Usual(now), "hostile": webtest.Hostile(now)} {
		t.Run(name, func(t *testing.T) {
			s := sideOf(t, b)
			for _, target := range repositoryPages(b) {
				w := s.get(target)
				if w.Code != http.StatusOK {
					t.Errorf("%s: status %d: %.300s", target, w.Code, textOf(parsed(t, w.Body)))
					continue
				}
				if n := compressed(t, w.Body.Bytes()); n > maxPage {
					t.Errorf("%s: %d bytes", target, n)
				}
				sound(t, target, parsed(t, w.Body))
			}
		})
	}
}

func compressed(t *testing.T, text []byte) int {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// sound holds a page to what every page must be: readable for programs that
// read aloud, and nothing in it that somebody else wrote.
func sound(t *testing.T, target string, doc *html.Node) {
	t.Helper()
	if n := len(all(doc, "h1")); n != 1 {
		t.Errorf("%s: %d h1", target, n)
	}
	ids, labels := make(map[string]bool), make(map[string]bool)
	for _, l := range all(doc, "label") {
		labels[attribute(l, "for")] = true
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: two elements are %q", target, id)
			}
			ids[id] = true
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("%s: <%s %s=%q>", target, n.Data, a.Key, a.Val)
			}
			if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("%s: <%s> leads to %q", target, n.Data, a.Val)
			}
		}
		switch n.Data {
		case "script":
			if !strings.HasPrefix(attribute(n, "src"), "/assets/") {
				t.Errorf("%s: a script that is not ours", target)
			}
		case "img", "iframe", "object", "embed":
			t.Errorf("%s: <%s>", target, n.Data)
		case "input", "select", "textarea":
			if attribute(n, "type") != "hidden" && !labels[attribute(n, "id")] && attribute(n, "aria-label") == "" {
				t.Errorf("%s: nothing says what %q is for", target, attribute(n, "name"))
			}
		case "form":
			if strings.EqualFold(attribute(n, "method"), "post") && !hasField(n, "csrf", "token-of-forms") {
				t.Errorf("%s: the form to %s carries no token", target, attribute(n, "action"))
			}
		}
	}
}

func hasField(form *html.Node, name, value string) bool {
	for _, n := range all(form, "input") {
		if attribute(n, "name") == name && attribute(n, "value") == value {
			return true
		}
	}
	return false
}

func TestPagesOfAnEmptyService(t *testing.T) {
	s := sideOf(t, webtest.Empty(time.Now()))
	for target, want := range map[string]string{
		"/snapshots":    "There are no snapshots yet",
		"/find?q=image": "There is nothing to search",
		"/restore":      "There is nothing to restore yet",
		"/repositories": "There is no repository yet",
		"/tests":        "There is nothing to test yet",
	} {
		doc := s.see(target)
		sound(t, target, doc)
		mustSay(t, doc, want, "Protect something")
	}
}

func TestPagesWhenNothingAnswers(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		fail   error
		status int
	}{
		{fmt.Errorf("%w: connection refused", api.ErrUnavailable), http.StatusServiceUnavailable},
		{errors.New("disk I/O error"), http.StatusInternalServerError},
	} {
		b := webtest.Usual(now)
		targets := repositoryPages(b)
		b.Fail = c.fail
		s := sideOf(t, b)
		for _, target := range targets {
			w := s.get(target)
			if w.Code != c.status {
				t.Errorf("%s: status %d with %v", target, w.Code, c.fail)
			}
			sound(t, target, parsed(t, w.Body))
		}
	}
}

// fussy is a service of which single repositories do not answer.
type fussy struct {
	*webtest.Backend

	down map[string]bool
}

func (f *fussy) check(repository string) error {
	if f.down[repository] {
		return fmt.Errorf("%w: %s: connection refused", api.ErrUnavailable, repository)
	}
	return nil
}

func (f *fussy) Snapshots(ctx context.Context, q api.SnapshotQuery) (*api.SnapshotPage, error) {
	if err := f.check(q.Repository); err != nil {
		return nil, err
	}
	return f.Backend.Snapshots(ctx, q)
}

func (f *fussy) Find(ctx context.Context, q api.FindQuery, found func(api.Found) error) error {
	if err := f.check(q.Repository); err != nil {
		return err
	}
	return f.Backend.Find(ctx, q, found)
}

func TestARepositoryThatIsDownCanBeLeft(t *testing.T) {
	s := sideOf(t, &fussy{webtest.Usual(time.Now()), map[string]bool{"offsite": true}})
	doc := s.see("/snapshots?repository=offsite")
	mustSay(t, doc, "offsite does not answer", "connection refused")
	if n := len(all(doc, "option")); n < 2 {
		t.Error("no other repository can be chosen")
	}
	mustSay(t, s.see("/find?q=image&repository=offsite"), "Not all could be read")
	mustSay(t, s.see("/repositories/offsite"), "It does not answer", "Do this next")
}

func TestWhatViewersDoNotSee(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := sideOf(t, b).as(api.RoleViewer)
	doc := s.see("/snapshots/local/" + idOf(0))
	if strings.Contains(textOf(doc), "report.pdf") {
		t.Error("a viewer sees what is in a snapshot")
	}
	mustSay(t, doc, "takes the role operator")
	for _, target := range []string{
		"/snapshots/local/" + idOf(0) + "/browse", "/snapshots/local/" + idOf(0) + "/download?path=/report.pdf",
		"/find?q=image", "/diff?repository=local&id=" + idOf(0) + "&id=" + idOf(2), "/restore", "/forget?repository=local&id=" + idOf(0),
	} {
		if w := s.get(target); w.Code != http.StatusForbidden {
			t.Errorf("%s: status %d for a viewer", target, w.Code)
		}
	}
	if w := s.as(api.RoleOperator).get("/forget?repository=local&id=" + idOf(0)); w.Code != http.StatusForbidden {
		t.Errorf("an operator may forget: status %d", w.Code)
	}
}

func TestWhatDeduplicationSaves(t *testing.T) {
	b := webtest.Usual(time.Now())
	b.Repos[0].Restored, b.Repos[0].Bytes = 0, 115*31<<29 // half of what its 115 snapshots of 31 GiB hold
	s := sideOf(t, b)
	mustSay(t, s.see("/repositories/local"), "They hold when restored 3.481 TiB", "2.0 × its size")
	b.Taken[4].Bytes = 0
	mustSay(t, s.see("/repositories/local"), "They hold when restored not known")
}
