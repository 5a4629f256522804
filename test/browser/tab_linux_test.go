package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"holdfast/test/program"
)

// patience bounds every wait for something that happens in seconds on a
// machine that has nothing else to do.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	code := program.Main(m)
	theBrowser.stop()
	os.Exit(code)
}

// browser is Chromium, started when it is first asked for.
type browser struct {
	once sync.Once
	ctx  context.Context
	err  error
	end  context.CancelFunc
	dir  string // its profile and temporary files, of which it leaves some
}

var theBrowser browser

func (b *browser) start() {
	if b.dir, b.err = os.MkdirTemp("", "holdfast-browser-"); b.err != nil {
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience),
		chromedp.UserDataDir(filepath.Join(b.dir, "profile")), chromedp.Env("TMPDIR="+b.dir))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	// A newer browser sends events that the library does not know.
	quiet := func(string, ...any) {}
	b.ctx, _ = chromedp.NewContext(allocator, chromedp.WithErrorf(quiet), chromedp.WithLogf(quiet))
	b.end = end
	if b.err = chromedp.Run(b.ctx); b.err != nil {
		b.err = fmt.Errorf("start chromium (tools/deps.sh test installs it): %w", b.err)
	}
}

func (b *browser) stop() {
	if b.end != nil {
		chromedp.Cancel(b.ctx) //nolint:errcheck // it is killed then
		b.end()
	}
	// Its last processes may still write.
	for range 50 {
		if os.RemoveAll(b.dir) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// tab is a window with one page.
type tab struct {
	t    testing.TB
	ctx  context.Context
	base string // the address of the service, ending in /
	// steps counts clicks, fields that were filled in, and Enter.
	steps int
	// window has the cookies and the downloads.
	window cdp.BrowserContextID

	mu      sync.Mutex
	wrong   []string // what the console said, and what went elsewhere
	traffic map[network.RequestID]*answer
}

// answer is what the browser got for a request.
type answer struct {
	URL   string
	Bytes float64 // as they came over the network, with headers
}

// open makes a window as large as that of a notebook, in light colours.
func open(t testing.TB, base string) *tab {
	t.Helper()
	theBrowser.once.Do(theBrowser.start)
	if theBrowser.err != nil {
		t.Fatal(theBrowser.err)
	}
	b := &tab{t: t, base: base, traffic: make(map[network.RequestID]*answer)}
	all := cdp.WithExecutor(theBrowser.ctx, chromedp.FromContext(theBrowser.ctx).Browser)
	var err error
	if b.window, err = target.CreateBrowserContext().Do(all); err != nil {
		t.Fatal(err)
	}
	// Its first page is a window: there is none yet that could have a tab more.
	page, err := target.CreateTarget("about:blank").WithBrowserContextID(b.window).WithNewWindow(true).Do(all)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(theBrowser.ctx, chromedp.WithTargetID(page))
	b.ctx = ctx
	t.Cleanup(func() {
		cancel()
		target.DisposeBrowserContext(b.window).Do(all) //nolint:errcheck // it goes with the browser
	})
	chromedp.ListenTarget(ctx, b.heard)
	// The first call opens the window for as long as its context lasts.
	if err := chromedp.Run(ctx, network.Enable(), cdplog.Enable()); err != nil {
		t.Fatalf("open a window: %v", err)
	}
	b.look(1280, 800, "light")
	return b
}

// heard notes what the page does.
func (b *tab) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, "script: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			said, _ := json.Marshal(e.Args)
			b.wrong = append(b.wrong, "console: "+string(said))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
			b.wrong = append(b.wrong, fmt.Sprintf("browser: %s (%s)", e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.base) && !strings.HasPrefix(e.Request.URL, "data:") {
			b.wrong = append(b.wrong, "asked elsewhere: "+e.Request.URL)
		}
		b.traffic[e.RequestID] = &answer{URL: e.Request.URL}
	case *network.EventLoadingFinished:
		if a := b.traffic[e.RequestID]; a != nil {
			a.Bytes = e.EncodedDataLength
		}
	}
}

// faults are what was wrong since they were asked for last.
func (b *tab) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	wrong := b.wrong
	b.wrong = nil
	return wrong
}

// loaded is what was loaded since it was asked for last.
func (b *tab) loaded() []answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []answer
	for _, a := range b.traffic {
		all = append(all, *a)
	}
	clear(b.traffic)
	return all
}

// run has the browser do something, which must succeed.
func (b *tab) run(what string, actions ...chromedp.Action) {
	b.t.Helper()
	if err := b.try(actions...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.text())
	}
}

func (b *tab) try(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// look sets the size of the window, and whether light or dark is liked.
func (b *tab) look(width, height int64, scheme string) {
	b.t.Helper()
	b.run("set the size", emulation.SetDeviceMetricsOverride(width, height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}))
}

// visit opens an address of the service and returns the status of the answer.
func (b *tab) visit(path string) int64 {
	b.t.Helper()
	var status int64
	b.run("open "+path, chromedp.ActionFunc(func(ctx context.Context) error {
		got, err := chromedp.RunResponse(ctx, chromedp.Navigate(b.base+strings.TrimPrefix(path, "/")))
		if got != nil {
			status = got.Status
		}
		return err
	}))
	return status
}

// login gives the token to the page that asks for it.
func (b *tab) login(token string) {
	b.t.Helper()
	b.visit("/")
	b.fill("Token", token)
	b.click("Log in")
	b.says("Log out") // it is in the menu, closed
	b.steps = 0
}

// eval has the page compute something.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	var got T
	if err := b.try(chromedp.Evaluate(script, &got, awaited)); err != nil {
		b.t.Fatalf("%v\n%.300s\n%s", err, script, b.text())
	}
	return got
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// text is all that the page says, also where it is folded.
func (b *tab) text() string {
	if b.ctx == nil {
		return "" // there is no window yet
	}
	var got string
	// While one page follows another there is none.
	if b.try(chromedp.Evaluate(`location.pathname + "\n" + (document.body?.textContent || "").replace(/\s+/g, " ")`, &got)) != nil {
		return ""
	}
	return got
}

// until waits for a condition in the page.
func (b *tab) until(what, script string) {
	b.t.Helper()
	b.waitFor(what, func() bool {
		var holds bool
		return b.try(chromedp.Evaluate("!!("+script+")", &holds)) == nil && holds
	})
}

// waitFor waits for a condition.
func (b *tab) waitFor(what string, holds func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("it never came to it that %s:\n%s", what, b.text())
		}
	}
}

// says waits until the page says something.
func (b *tab) says(text string) {
	b.t.Helper()
	b.waitFor("the page says "+text, func() bool { return strings.Contains(b.text(), text) })
}

// at is a place in the window.
type at struct {
	X, Y    float64
	Covered string // what lies over it
}

// finder is a function of the page that finds what has a name, by its whole
// name or else by its beginning, and tells where it is.
const finder = `(kinds, name) => {
	const say = (e) => (e.getAttribute("aria-label") || e.textContent).replace(/\s+/g, " ").trim();
	const all = [...document.querySelectorAll(kinds)].filter((e) => e.checkVisibility());
	let found = all.find((e) => say(e) === name) || all.find((e) => say(e).startsWith(name));
	if (!found) return null;
	found = found.control || found; // a label leads to its field
	found.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
	const r = found.getClientRects()[0], x = r.x + r.width / 2, y = r.y + r.height / 2;
	const top = document.elementFromPoint(x, y);
	return { X: x, Y: y, Covered: top && (found.contains(top) || top.contains(found)) ? "" : "covered by " + (top?.outerHTML || "nothing").slice(0, 200) };
}`

// place waits for what has a name and is not covered.
func (b *tab) place(kinds, name string) at {
	b.t.Helper()
	var found *at
	b.waitFor(fmt.Sprintf("there is %q to be clicked", name), func() bool {
		found = nil
		arguments, _ := json.Marshal([]string{kinds, name})
		err := b.try(chromedp.Evaluate(fmt.Sprintf("(%s)(...%s)", finder, arguments), &found))
		return err == nil && found != nil && found.Covered == ""
	})
	return *found
}

// click clicks on the first link, button or summary of a name.
func (b *tab) click(name string) {
	b.t.Helper()
	b.steps++
	p := b.place("a, button, summary", name)
	b.run("click "+name, chromedp.MouseClickXY(p.X, p.Y))
}

// fill writes into the field of a label.
func (b *tab) fill(label, text string) {
	b.t.Helper()
	b.steps++
	p := b.place("label", label)
	b.run("fill "+label, chromedp.MouseClickXY(p.X, p.Y))
	b.until("the field of "+label+" has the focus", `document.activeElement.matches("input, textarea, select")`)
	b.run("write", chromedp.Evaluate(`document.activeElement.select?.()`, nil), input.InsertText(text))
}

// enter presses Enter.
func (b *tab) enter() {
	b.t.Helper()
	b.steps++
	b.run("press Enter", chromedp.KeyEvent(kb.Enter))
}

// stays marks the page, and reports whether it is the one that was marked: it
// has neither been loaded again nor left.
func (b *tab) stays() (same func() bool) {
	b.t.Helper()
	b.run("mark the page", chromedp.Evaluate("window.marked = true; 0", nil))
	return func() bool { return eval[bool](b, "window.marked === true") }
}

// downloads has what the page downloads written to a new folder, and returns
// a function that waits for one file there and returns its content.
func (b *tab) downloads() (content func() string) {
	b.t.Helper()
	dir := b.t.TempDir()
	b.run("set the folder of downloads", chromedp.ActionFunc(func(ctx context.Context) error {
		ctx = cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
		return cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllow).WithBrowserContextID(b.window).WithDownloadPath(dir).Do(ctx)
	}))
	return func() string {
		b.t.Helper()
		var got []byte
		b.waitFor("something was downloaded", func() bool {
			found, err := os.ReadDir(dir)
			if err != nil || len(found) != 1 || strings.HasSuffix(found[0].Name(), ".crdownload") || strings.HasPrefix(found[0].Name(), ".") {
				return false
			}
			got, err = os.ReadFile(filepath.Join(dir, found[0].Name()))
			return err == nil
		})
		return string(got)
	}
}
