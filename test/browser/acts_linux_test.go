package browser

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/chromedp/cdproto/emulation"

	"holdfast/internal/api"
	"holdfast/internal/web"
	"holdfast/internal/web/webtest"
	"holdfast/test/tools"
)

// Tags, locks, archives, evidence and the recovery kit are done and looked at
// through the page, without a script.
func TestActsThroughThePage(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.configure("127.0.0.1:0", map[string]string{"letters": ""})
	h.Write("letters/ann.txt", "dear Ann")
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	h.Holdfast.Run(t, "check", "-q", "-r", "main")
	s := h.serve()
	b := open(t, s.url)
	b.run("turn scripts off", emulation.SetScriptExecutionDisabled(true))
	b.login(h.token)

	b.visit("/snapshots")
	b.click(h.snapshot())
	b.click("Tag …")
	b.fill("Add", "monthly, audit")
	b.click("Show what would change")
	b.says("Nothing is done yet")
	b.says("monthly, audit")
	b.click("Change the tags")
	b.says("Succeeded")

	h.LeaveLock("main")
	b.visit("/repositories/main")
	b.click("Locks")
	b.click("Remove those that were left …")
	b.says("its holder is gone")
	b.click("Remove these locks")
	b.says("Succeeded")
	if left, err := filepath.Glob(h.Path("main/locks/*")); err != nil || len(left) > 0 {
		t.Errorf("locks that are left: %q, %v", left, err)
	}

	secret, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b.visit("/snapshots")
	b.click(h.snapshot())
	b.says("monthly")
	b.click("Archive …")
	b.fill("Who may open it", secret.Recipient().String())
	b.click("Show what would be written")
	b.says(secret.Recipient().String())
	b.click("Write the archive")
	b.says("Succeeded")
	b.visit("/archives")
	b.click("Show")
	b.says("1 archive in")
	b.click("Read all of them back")
	b.says("Succeeded")

	b.visit("/tests")
	b.says("all signed, none changed, none missing")
	b.click("All evidence in main")
	b.says("Check")
	b.visit("/repositories/main")
	b.click("Recovery kit")
	b.says(h.Path("main"))
	b.until("the page is written", `(document.querySelector("#page").value = `+quoted(h.Holdfast.Run(t, "kit", "-r", "main"))+`) !== ""`)
	b.click("Hold it to the repository")
	b.says("Succeeded")
	b.visit("/repositories/main")
	b.click("Check now")
	b.says("Succeeded")
	if faults := b.faults(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
}

func quoted(text string) string {
	q, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(q)
}

// snapshot is how the pages name the only snapshot of the main repository.
func (h *host) snapshot() string {
	h.T.Helper()
	all, err := filepath.Glob(h.Path("main/snapshots/*"))
	if err != nil || len(all) != 1 {
		h.T.Fatalf("snapshots %q, %v", all, err)
	}
	return filepath.Base(all[0])[:8]
}

// Pages of what a usual host does not have, a bucket and the log of a database,
// are whole as well: shown with a made-up service.
func TestScreensOfBucketsAndLogs(t *testing.T) {
	t.Parallel()
	made := webtest.Usual(time.Now())
	for k := range made.Repos {
		made.Repos[k].Kind = "s3"
	}
	pages := web.New(web.Options{Backend: made, Zone: time.UTC})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages.ServeHTTP(w, r.WithContext(api.WithPrincipal(r.Context(), api.Principal{Name: "ada", Role: api.RoleAdmin, CSRF: "x"})))
	}))
	defer server.Close()
	b := open(t, server.URL+"/")
	axe, err := os.ReadFile(tools.AxeCore(t))
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{tab: b, axe: string(axe), seen: map[string]string{}, kept: map[string]float64{}, mux: http.NewServeMux()}
	for _, page := range []string{
		"/repositories/local/storage", "/repositories/local/storage/apply", "/repositories/local/usage?mode=raw-data", "/repositories/local/locks",
		"/repositories/local/unlock", "/plans/shop/log", "/plans/shop/test", "/archives?place=/mnt/archives", "/repositories/local/evidence",
	} {
		if status := b.visit(page); status != 200 {
			t.Errorf("%s: status %d\n%s", page, status, b.text())
		}
		w.check(page)
		if strings.Contains(b.text(), "<no value>") {
			t.Errorf("%s lacks something", page)
		}
	}
}
