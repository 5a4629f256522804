package browser

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"holdfast/test/program"
	"holdfast/test/tools"
)

// notPages answer with something else than a page.
var notPages = []string{
	"GET /runs/{id}/log", "GET /snapshots/{repository}/{id}/download", "GET /tests/{repository}/{id}/record", "GET /plans/{plan}/report.html",
	"GET /repositories/{repository}/papers/{paper}",
	"GET /plans/{name}/log", // see TestScreensOfBucketsAndLogs
}

// routesOf are the pages of the dashboard, as internal/web has them.
func routesOf(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, file := range []string{"routes.go", "repository.go", "act_routes.go"} {
		source, err := os.ReadFile("../../internal/web/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(GET /[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
			if !slices.Contains(notPages, m[1]) {
				all = append(all, m[1])
			}
		}
	}
	if len(all) < 25 {
		t.Fatalf("internal/web has only these pages: %q", all)
	}
	return all
}

// Every page is whole: for who sees badly, on a phone, in light and dark; and
// nothing of it comes from elsewhere.
func TestEveryScreen(t *testing.T) {
	t.Parallel()
	h, s := usual(t)
	b := open(t, s.url)
	w := &walk{tab: b, seen: make(map[string]string), kept: make(map[string]float64), mux: http.NewServeMux()}
	for _, route := range routesOf(t) {
		w.mux.Handle(route, http.NotFoundHandler())
	}
	axe, err := os.ReadFile(tools.AxeCore(t))
	if err != nil {
		t.Fatal(err)
	}
	w.axe = string(axe)
	w.visit("/login")
	weight(w.loaded(), w.kept)
	w.check("/login")
	b.login(h.token)
	snapshots := program.JSON[struct{ ID string }](t, h.Holdfast, "snapshots", "-r", "main")
	if len(snapshots) < 2 {
		t.Fatalf("there are %d snapshots", len(snapshots))
	}
	goesOn := regexp.MustCompile(`"run-started","plan":"photos".*?"run":"([^"]+)"`).FindStringSubmatch(s.Log())
	if goesOn == nil {
		t.Fatal("no run goes on")
	}
	from, to := snapshots[0].ID, snapshots[1].ID
	w.queue = []string{
		"/", "/welcome", "/no-such-page", "/diff?repository=main&from=" + from + "&to=" + to, "/forget?repository=main&id=" + from,
		"/restore?plan=letters&source=letters", "/restore?repository=main&snapshot=" + to, "/find?q=letter", "/runs?outcome=failed", "/runs/no-such-run",
		"/repositories/main/unlock", "/repositories/main/storage", "/repositories/main/storage/apply", "/repositories/main/usage?mode=restore-size",
		"/tag?repository=main&id=" + from + "&add=monthly", "/archives?place=" + url.QueryEscape(h.Path("archives")),
		"/events?open=1", "/settings", "/help", "/runs/" + goesOn[1],
	}
	for len(w.queue) > 0 {
		next := w.queue[0]
		w.queue = w.queue[1:]
		w.see(next)
	}
	for _, route := range routesOf(t) {
		if w.seen[route] == "" {
			t.Errorf("no link leads to %s", route)
		}
	}
	t.Logf("%d screens, the heaviest has %.0f bytes with all that it loads", w.screens, w.heaviest)
}

// walk goes to one page of each kind.
type walk struct {
	*tab

	mux     *http.ServeMux
	axe     string
	queue   []string
	seen    map[string]string // by pattern, the first address
	screens int
	// kept are the assets that the browser keeps, by path, with their sizes.
	kept     map[string]float64
	heaviest float64
}

// see checks a page and notes where its links lead.
func (w *walk) see(address string) {
	t := w.t
	want := int64(200)
	if strings.HasPrefix(address, "/no-such") || strings.Contains(address, "no-such-run") {
		want = 404
	}
	w.faults()
	w.loaded()
	if status := w.visit(address); status != want {
		t.Errorf("%s: status %d\n%s", address, status, w.text())
	}
	heavy := weight(w.loaded(), w.kept)
	w.heaviest = max(w.heaviest, heavy)
	if heavy > maxPage {
		t.Errorf("%s weighs %.0f bytes", address, heavy)
	}
	w.check(address)
	for _, link := range eval[[]string](w.tab, `[...document.links].map((a) => a.getAttribute("href"))`) {
		u, err := url.Parse(link)
		if err != nil || u.IsAbs() || u.Path == "" {
			if err != nil || u.IsAbs() {
				t.Errorf("%s has a link to %s", address, link)
			}
			continue
		}
		_, pattern := w.mux.Handler(&http.Request{Method: http.MethodGet, URL: u, Host: "x"})
		if pattern != "" && w.seen[pattern] == "" && !strings.Contains(link, "logout") {
			w.seen[pattern] = link
			w.queue = append(w.queue, link)
		}
	}
}

// check holds a page that is shown to what all must be.
func (w *walk) check(address string) {
	t := w.t
	w.screens++
	if u, err := url.Parse(address); err == nil {
		if _, pattern := w.mux.Handler(&http.Request{Method: http.MethodGet, URL: u, Host: "x"}); pattern != "" && w.seen[pattern] == "" {
			w.seen[pattern] = address
		}
	}
	if n := eval[int](w.tab, `document.querySelectorAll("h1").length`); n != 1 {
		t.Errorf("%s has %d h1", address, n)
	}
	w.run("load axe", chromedp.Evaluate(w.axe+"; 0", nil))
	w.accessible(address, "light")
	w.look(390, 844, "dark")
	w.accessible(address, "dark")
	for _, width := range []int64{390, 360} {
		w.look(width, 844, "dark")
		if wide := eval[int](w.tab, `document.scrollingElement.scrollWidth`); int64(wide) > width {
			t.Errorf("%s is %d wide on a phone of %d: %s", address, wide, width, eval[string](w.tab, widest))
		}
	}
	w.look(1280, 800, "light")
	for _, fault := range w.faults() {
		if !strings.Contains(fault, "status of 404") || !strings.Contains(address, "no-such") {
			t.Errorf("%s: %s", address, fault)
		}
	}
}

// widest names what sticks out most.
const widest = `(() => { const all = [...document.querySelectorAll("body *")]; all.sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right);
	return all.slice(0, 3).map((e) => e.cloneNode(false).outerHTML.slice(0, 120)).join(" "); })()`

// violation is what axe finds.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML, FailureSummary string
	}
}

func (w *walk) accessible(address, scheme string) {
	found := eval[[]violation](w.tab, `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"] }).then((r) => r.violations)`)
	for _, v := range found {
		nodes, _ := json.MarshalIndent(v.Nodes[:min(3, len(v.Nodes))], "", " ")
		w.t.Errorf("%s, %s: %s (%s): %s, %d times\n%s", address, scheme, v.ID, v.Impact, v.Help, len(v.Nodes), nodes)
	}
}
