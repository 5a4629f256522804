package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/test/program"
)

// maxPage is how many bytes a page may weigh with all that it loads.
const maxPage = 100 << 10

// A page is shown as quickly as a bare one, also while a backup runs, and
// folders are as large as they are.
func TestPagesAreQuick(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.configure("127.0.0.1:0", map[string]string{"photos": ", limits: { upload: 100K }", "mail": ""})
	h.Write("photos/large.raw", random(64<<20))
	entries := 20_000
	if os.Getenv("HOLDFAST_SOAK") != "" {
		entries = 100_000
	}
	if err := os.Mkdir(h.Path("mail"), 0o755); err != nil {
		t.Fatal(err)
	}
	for k := range entries {
		if err := os.WriteFile(fmt.Sprintf("%s/%06d.eml", h.Path("mail"), k), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "mail")
	s := h.serve()
	h.Holdfast.Run(t, "run", "start", "plans/photos/backup")
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><title>bare</title><link rel="icon" href="data:,"><h1>Bare</h1><p>A page without anything.</p>`)
	}))
	t.Cleanup(bare.Close)

	b := s.open(t)
	plain, ours := open(t, bare.URL+"/").firstPaint(), b.firstPaint()
	t.Logf("first paint: bare %s, first page while a backup runs %s", plain, ours)
	limit := plain + 10*time.Second
	if os.Getenv("HOLDFAST_SOAK") != "" {
		limit = 2 * plain
	}
	if ours > limit {
		t.Errorf("the first page is painted after %s, a bare one after %s", ours, plain)
	}

	id := program.JSON[struct{ ID string }](t, h.Holdfast, "snapshots", "-r", "main")[0].ID
	for _, search := range []string{"", "&search=019"} {
		b.loaded()
		began := time.Now()
		b.visit("/snapshots/main/" + id + "/browse?path=" + h.Path("mail") + search)
		took := time.Since(began)
		b.says(".eml")
		t.Logf("a folder of %d entries%s: %s", entries, search, took)
		if took > time.Minute {
			t.Errorf("it takes %s", took)
		}
		if w := weight(b.loaded(), nil); w > maxPage {
			t.Errorf("the folder weighs %.0f bytes", w)
		}
	}
}

// firstPaint is when the first content of the first page is painted, the
// median of five.
func (b *tab) firstPaint() time.Duration {
	b.t.Helper()
	var all []time.Duration
	for range 5 {
		b.visit("/")
		b.until("it is painted", `performance.getEntriesByName("first-contentful-paint").length > 0`)
		var ms float64
		b.run("read the time", chromedp.Evaluate(`performance.getEntriesByName("first-contentful-paint")[0].startTime`, &ms))
		all = append(all, time.Duration(ms*float64(time.Millisecond)))
	}
	slices.Sort(all)
	return all[len(all)/2].Round(time.Millisecond)
}

// weight is what a page weighs with what it loads. What the browser has kept
// counts as it did when it came.
func weight(loaded []answer, kept map[string]float64) float64 {
	var all float64
	for _, a := range loaded {
		_, path, _ := strings.Cut(strings.TrimPrefix(a.URL, "http://"), "/")
		if strings.HasPrefix(path, "api/") {
			continue // the stream of updates, which has no end
		}
		if kept != nil && strings.HasPrefix(path, "assets/") {
			kept[path] = max(kept[path], a.Bytes)
			continue
		}
		all += a.Bytes
	}
	for _, bytes := range kept {
		all += bytes
	}
	return all
}
