package web

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/api"
	"holdfast/internal/objective"
	"holdfast/internal/web/webtest"
)

func TestAssets(t *testing.T) {
	s := wholeSide(t, webtest.Usual(time.Now()))
	a := loadAssets()
	for name := range a.names {
		r := httptest.NewRequest(http.MethodGet, a.url(name), nil)
		plain := s.ask(r)
		if plain.Code != http.StatusOK || !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") || plain.Header().Get("Content-Type") == "" {
			t.Errorf("%s: status %d, %v", name, plain.Code, plain.Header())
		}
		if m := regexp.MustCompile(`(url\(|@import|https?://[^w ])`).FindString(plain.Body.String()); m != "" {
			t.Errorf("%s loads something: %s", name, m)
		}
		r.Header.Set("Accept-Encoding", "br, gzip")
		packed := s.ask(r)
		if packed.Header().Get("Content-Encoding") != "gzip" || packed.Body.Len() >= plain.Body.Len() && plain.Body.Len() > 500 {
			t.Errorf("%s is %d bytes, compressed %d", name, plain.Body.Len(), packed.Body.Len())
		}
		t.Logf("%s: %d bytes, compressed %d", name, plain.Body.Len(), packed.Body.Len())
	}
}

// All that a page needs comes in less than maxPage.
func TestFirstPageIsSmall(t *testing.T) {
	s := wholeSide(t, webtest.Many(time.Now(), 1000))
	size := compressed(t, s.get("/").Body.Bytes())
	for _, a := range loadAssets().served {
		size += len(a.packed)
	}
	t.Logf("%d bytes with all assets", size)
	if size > maxPage {
		t.Errorf("%d bytes", size)
	}
}

func TestGzipIsSentToThoseWhoTakeIt(t *testing.T) {
	for accept, want := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "deflate": false, "": false} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		if got := takesGzip(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// Text has a contrast of 7:1 on all that it stands on, in light and dark.
func TestColoursHaveContrast(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/base.css")
	if err != nil {
		t.Fatal(err)
	}
	colours := make(map[string][2]string)
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)`).FindAllStringSubmatch(string(css), -1) {
		colours[m[1]] = [2]string{m[2], m[3]}
	}
	pairs := map[string][]string{
		"text": {"page", "card", "raised", "good-soft", "near-soft", "bad-soft", "running-soft", "unknown-soft"},
		"dim":  {"page", "card", "raised"}, "accent": {"page", "card"}, "on-accent": {"accent"}, "unknown": {"card", "unknown-soft"},
	}
	for _, c := range []string{"good", "near", "bad", "running"} {
		pairs[c] = []string{"page", "card", c + "-soft"}
	}
	for text, grounds := range pairs {
		for _, ground := range grounds {
			for k, scheme := range []string{"light", "dark"} {
				if c := contrast(colours[text][k], colours[ground][k]); !(c >= 7) {
					t.Errorf("%s: %s on %s has %.2f", scheme, text, ground, c)
				}
			}
		}
	}
}

// contrast is that of WCAG 2.2.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return math.NaN()
	}
	linear := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func TestAnswer(t *testing.T) {
	plan := func(v api.Verdict) api.Plan {
		return api.Plan{Name: "shop", Verdict: v, Newest: time.Now(), RPO: api.Standing{State: objective.Met, Measured: 60, Promised: 900}, RTO: api.Standing{State: objective.Met}}
	}
	late, slow, nothing := plan(api.Unsafe), plan(api.Unsafe), plan(api.Unsafe)
	late.RPO = api.Standing{State: objective.Breached, Measured: 3 * 3600, Promised: 900}
	slow.RTO = api.Standing{State: objective.Breached, Measured: 7200, Promised: 3600}
	nothing.Newest = time.Time{}
	safe, near, unknown := plan(api.Safe), plan(api.AtRisk), plan(api.Unknown)
	for want, plans := range map[string][]api.Plan{
		"Nothing is protected yet.":                               nil,
		"Yes. shop is safe.":                                      {safe},
		"Yes. All 2 plans are safe.":                              {safe, safe},
		"Nearly. shop is at risk.":                                {safe, near},
		"Not known yet: 2 of 2 plans were not looked at.":         {unknown, unknown},
		"No. shop would lose 3 h: its promise is 15 min.":         {safe, late},
		"No. shop would take 2 h to restore: its promise is 1 h.": {slow},
		"No. shop has nothing that can be restored.":              {nothing},
		"No. 2 of 3 plans are not safe.":                          {late, slow, near},
		"No. None of 2 plans is safe.":                            {late, slow},
		"No. shop is not safe.":                                   {plan(api.Unsafe)},
	} {
		if got := answer(plans).Word; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWorstPlansComeFirst(t *testing.T) {
	s := wholeSide(t, webtest.Many(time.Now(), 100))
	doc := s.see("/")
	mustSay(t, doc, "No. 10 of 100 plans are not safe.", "2 more problems", "Page 1 of 3")
	first := textOf(all(doc, "article")[0])
	if !strings.Contains(first, "customer-0003") {
		t.Errorf("the first plan is %s", first)
	}
	if n := len(all(s.see("/?q=CUSTOMER-0042"), "article")); n != 1 {
		t.Errorf("the search finds %d plans", n)
	}
	if n := len(all(s.see("/?show=at-risk"), "article")); n != 10 {
		t.Errorf("the filter finds %d plans", n)
	}
	if n := len(all(s.see("/?page=3"), "article")); n != 20 {
		t.Errorf("the last page has %d plans", n)
	}
}

// From the first page it is one click to the reason of a failure.
func TestWhyABackupFailedIsOneClickAway(t *testing.T) {
	s := wholeSide(t, webtest.Usual(time.Now()))
	for _, a := range all(s.see("/"), "a") {
		if textOf(a) == "See why" {
			mustSay(t, s.see(attribute(a, "href")), "permission denied", "What to do:", "give the service the right", "Run it again")
			return
		}
	}
	t.Error("no problem leads to its run")
}

func TestLogs(t *testing.T) {
	b := webtest.Hostile(time.Now())
	s := wholeSide(t, b)
	long := strings.Repeat("a line of a log\n", 20_000) + "the end\n"
	b.Logs["run-failed"] = long
	page := s.get("/runs/run-failed").Body.String()
	if !strings.Contains(page, "the end\n</pre>") || !strings.Contains(page, "This is its end.") || len(page) > 4*logShown {
		t.Errorf("the end of a long log is not shown in %d bytes", len(page))
	}
	if !strings.Contains(page, fmt.Sprintf(`data-at="%d"`, len(long))) {
		t.Error("the page does not tell where the log goes on")
	}
	w := s.get("/runs/run-failed/log")
	if w.Body.String() != long || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("the log is %d bytes of %s", w.Body.Len(), w.Header().Get("Content-Type"))
	}
	w = s.get(fmt.Sprintf("/runs/run-failed/log?offset=%d", len(long)-8))
	if w.Body.String() != "the end\n" || w.Header().Get(logHeader) != strconv.Itoa(len(long)) {
		t.Errorf("from an offset on: %q, next %s", w.Body, w.Header().Get(logHeader))
	}
	// What the script asks for again has the rest of the page, and no log.
	r := httptest.NewRequest(http.MethodGet, "/runs/run-failed", nil)
	r.Header.Set(liveHeader, "1")
	if again := s.ask(r).Body.String(); strings.Contains(again, "a line of a log") || !strings.Contains(again, "What to do:") {
		t.Error("the log is sent again")
	}
	if got := readable([]byte("a\tb\x1b[31m\xff\n\u202ec\\d\n<b>")); got != "a\tb\\x1b[31m\\xff\n\\xe2\\x80\\xaec\\d\n<b>" {
		t.Errorf("readable: %q", got)
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 450 * time.Microsecond: "1 ms", 450 * time.Millisecond: "450 ms", 2500 * time.Millisecond: "2.5 s", 59 * time.Second: "59 s",
		time.Hour: "1 h", 3*time.Hour + 5*time.Minute + 9*time.Second: "3 h 5 min", 50 * time.Hour: "2 d 2 h", -time.Minute: "-1 min",
		math.MaxInt64: "106751 d 23 h",
	} {
		if got := formatSpan(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "now", -3 * time.Minute: "3 min ago", 20 * time.Hour: "in 20 h", -5*time.Hour - 7*time.Minute - time.Second: "5 h 7 min ago", -400 * time.Hour: "16 d ago"} {
		if got := distance(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := formatSpan(seconds(math.Inf(1))); got != "106751 d 23 h" {
		t.Errorf("for ever: %q", got)
	}
}

func TestLinks(t *testing.T) {
	for want, parts := range map[string][]any{
		"/":                               nil,
		"/runs":                           {"runs"},
		"/plans/a%2F..%2Fb%3Fc%23d":       {"plans", "a/../b?c#d"},
		"/runs?outcome=failed&plan=a%26b": {"runs", "?", "plan", "a&b", "outcome", "failed", "job", ""},
		"/?q=x":                           {"?", "q", "x"},
	} {
		if got := string(link(parts...)); got != want {
			t.Errorf("%v: %q, want %q", parts, got, want)
		}
	}
}

// Runs are drawn within their row, whenever they began and however long they
// took.
func TestRunsAreDrawnInTheirRow(t *testing.T) {
	s := &site{Options: Options{Zone: time.UTC}}
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var runs []api.Run
		for range rapid.IntRange(0, 40).Draw(t, "runs") {
			r := api.Run{
				ID: "r", Plan: rapid.StringN(0, 3, 8).Draw(t, "plan"), Started: now.Add(-time.Duration(rapid.Int64Range(-1e15, 1e16).Draw(t, "began"))),
				Outcome: rapid.SampledFrom([]string{api.Running, "succeeded", "failed", "skipped", "odd"}).Draw(t, "outcome"),
			}
			r.Ended = r.Started.Add(time.Duration(rapid.Int64Range(-1e14, 1e15).Draw(t, "took")))
			runs = append(runs, r)
		}
		st := s.stripOf(runs, now.AddDate(0, 0, -7), now, func(r *api.Run) string { return r.Plan })
		if st == nil {
			return
		}
		if len(st.Rows) > maxRows {
			t.Fatalf("%d rows", len(st.Rows))
		}
		for _, row := range st.Rows {
			for _, m := range row.Marks {
				x, err1 := strconv.ParseFloat(m.X, 64)
				width, err2 := strconv.ParseFloat(m.Width, 64)
				if err1 != nil || err2 != nil || x < 0 || width < 0 || x+width > stripWidth+0.2 {
					t.Fatalf("drawn at %s, %s wide", m.X, m.Width)
				}
			}
		}
	})
}

// A service that has nothing to do asks an admin at once what to protect, and
// tells others who can.
func TestFirstVisit(t *testing.T) {
	b := webtest.Empty(time.Now())
	s := wholeSide(t, b)
	doc := s.see("/")
	mustSay(t, doc, "Welcome.", "What do you want to protect?", "What happens then")
	form := fieldsOf(formTo(t, doc, "/protect"))
	form.Set("what", "/srv/www")
	if w := s.post("/protect", form); w.Header().Get("Location") != "/runs/run-protect" {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
	mustSay(t, s.as(api.RoleViewer).see("/"), "Nothing is protected yet.", "An admin can protect something")
	// What is shown in the end.
	mustSay(t, sideOf(t, webtest.Usual(time.Now())).see("/runs/run-protect"), "It is protected, and a restore was proven", "recovery kit", "See the restore test")
}

// Who may protects one more from the first page, to the repository that is
// named there.
func TestProtectFromTheFirstPage(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := wholeSide(t, b)
	doc := s.see("/")
	mustSay(t, doc, "Protect one more folder or database", "It goes to "+b.Repos[0].Name)
	form := fieldsOf(formTo(t, doc, "/protect"))
	form.Set("what", "postgres://backup@db/shop")
	if w := s.post("/protect", form); w.Header().Get("Location") != "/runs/run-protect" {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
	if got := b.Done(); len(got) != 1 || got[0] != `protect postgres://backup@db/shop to "`+b.Repos[0].Name+`" as ""` {
		t.Errorf("what was asked for is %q", got)
	}
	if text := textOf(s.as(api.RoleOperator).see("/")); strings.Contains(text, "Protect one more") {
		t.Error("an operator is asked what to protect")
	}
}

// What was not looked at yet is no alarm.
func TestPlansThatWereNotLookedAt(t *testing.T) {
	b := webtest.Usual(time.Now())
	b.AllPlans = b.AllPlans[:1]
	p := &b.AllPlans[0]
	p.Verdict, p.Newest, p.Proven = api.Unknown, time.Time{}, time.Time{}
	s := wholeSide(t, b)
	for _, page := range []string{"/", "/plans/" + p.Name} {
		if text := textOf(s.see(page)); strings.Count(text, "not looked yet") != 2 {
			t.Errorf("%s: %s", page, text)
		}
	}
	mustSay(t, s.see("/"), "Not known yet. "+p.Name+" was not looked at.")
}

func TestSentencesWithCommands(t *testing.T) {
	for text, want := range map[string]string{
		"run `holdfast verify` & look": "<bdi>run <code>holdfast verify</code> &amp; look</bdi>",
		"an open ` one":                "<bdi>an open ` one</bdi>",
		"`<b>` and `":                  "<bdi><code>&lt;b&gt;</code> and `</bdi>",
		"":                             "<bdi></bdi>",
	} {
		if got := string(prose(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func BenchmarkFirstPage(b *testing.B) {
	for name, data := range map[string]*webtest.Backend{"4 plans": webtest.Usual(time.Now()), "1000 plans": webtest.Many(time.Now(), 1000)} {
		handler := New(Options{Backend: data, Zone: time.UTC})
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Accept-Encoding", "gzip")
				handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(api.WithPrincipal(r.Context(), api.Principal{Name: "ada", Role: api.RoleAdmin})))
			}
		})
	}
}

func TestProgressSaysWhatIsKnown(t *testing.T) {
	b := webtest.Usual(time.Now())
	s := wholeSide(t, b)
	for _, c := range []struct {
		progress api.Progress
		says     string
		bar      string // value of the bar, "" for one that does not know
	}{
		{api.Progress{Percent: 42, BytesDone: 42 << 20, BytesTotal: 100 << 20, FilesDone: 3, FilesTotal: 9, Left: 90}, "42 % · 42.000 MiB of 100.000 MiB · 3 of 9 files · 1 min 30 s left", "42.0"},
		{api.Progress{Percent: -1, BytesDone: 5 << 20, FilesDone: 2}, "5.000 MiB · 2 files", ""},
		{api.Progress{Percent: 100, BytesDone: 2 << 30, BytesTotal: 1 << 30, FilesDone: 11, FilesTotal: 9}, "2.000 GiB so far, more than the 1.000 GiB that were expected · 11 files", ""},
		{api.Progress{Percent: 7}, "7 %", "7.0"},
	} {
		b.AllRuns[0].Progress = &c.progress
		doc := s.see("/runs/run-live")
		bar := all(doc, "progress")[0]
		if got := attribute(bar, "value"); got != c.bar {
			t.Errorf("%+v: the bar is at %q", c.progress, got)
		}
		if got := strings.ReplaceAll(textOf(bar.Parent), "\u00a0", " "); got != c.says {
			t.Errorf("%+v: %q, want %q", c.progress, got, c.says)
		}
	}
}

// A job that failed and is tried again is no open problem yet, and is told of
// all the same.
func TestWhatFailedLastIsToldOnItsPlan(t *testing.T) {
	b := webtest.Usual(time.Now())
	b.Open = nil
	doc := wholeSide(t, b).see("/?q=mail")
	mustSay(t, doc, "The last backup failed,", "See why")
	for _, a := range all(doc, "a") {
		if textOf(a) == "See why" && attribute(a, "href") != "/runs/run-failed" {
			t.Errorf("leads to %s", attribute(a, "href"))
		}
	}
}

func TestALongSentenceIsCutBetweenCharacters(t *testing.T) {
	for sentence, want := range map[string]string{
		strings.Repeat("ä", maxSaid):       strings.Repeat("ä", maxSaid/2),
		"x" + strings.Repeat("ä", maxSaid): "x" + strings.Repeat("ä", maxSaid/2-1),
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
		say(w, r, sentence)
		r.AddCookie(w.Result().Cookies()[0])
		if got := heard(httptest.NewRecorder(), r); got != want {
			t.Errorf("heard %d bytes, want %d", len(got), len(want))
		}
	}
}
