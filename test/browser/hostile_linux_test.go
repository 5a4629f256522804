package browser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"holdfast/test/program"
)

// attack runs a script if any page takes it for markup.
const attack = `"><img src=x onerror=canary=1><script>canary=1</script>`

// Names of files, reasons and logs are text, whatever stands in them.
func TestNothingInABackupRuns(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.configure("127.0.0.1:0", map[string]string{
		"letters": "",
		"orders":  fmt.Sprintf(`, hooks: { before: [{ command: [/bin/sh, -c, 'echo "$TEXT"; echo "$TEXT" >&2; exit 1'], env: { TEXT: %q } }] }`, attack),
		"bills":   fmt.Sprintf(`, hooks: { before: [{ command: [%q] }] }`, "/nowhere/"+attack),
	})
	// A name of a file has no slash, so the tag is closed in another way.
	names := []string{
		`"><img src=x onerror=canary=1>`, `'-canary=1-'`, "<svg onload=canary=1>", "javascript:canary=1", "<body onload=canary=1>", "{{canary}}", "&lt;b&gt;", "\u202etxt.exe", "bad\xff\x1b[31m.txt", "new\nline",
	}
	for _, name := range names {
		h.Write("letters/"+name, "x")
		h.Write("letters/<img src=x onerror=canary=1>/"+name, "x")
	}
	h.Write("orders/x", "x")
	h.Write("bills/x", "x")
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	h.Write("letters/"+names[0], "y")
	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	h.Holdfast.Run(t, "hold", "place", "-q", "-r", "main", "--plan", "letters", "--reason", attack)
	all := program.JSON[struct{ ID string }](t, h.Holdfast, "snapshots", "-r", "main")
	for _, s := range all[:1] {
		h.Holdfast.Try("tag", "-q", "-r", "main", "--add", attack, s.ID) // held: then there is no tag
	}
	s := h.serve()
	h.Holdfast.Run(t, "plan", "pause", "letters", "--reason", attack)
	var failed []string
	for _, plan := range []string{"orders", "bills"} {
		h.Holdfast.Run(t, "run", "start", "plans/"+plan+"/backup")
		failed = append(failed, h.ended(plan, "backup", "failed").ID)
	}

	b := s.open(t)
	query := func(path string) string { return url.QueryEscape(path) }
	snapshot, folder := "/snapshots/main/"+all[len(all)-1].ID, h.Path("letters")
	pages := []string{
		"/", "/plans/letters", "/plans/orders", "/runs", "/runs/" + failed[0], "/runs/" + failed[1], "/events", "/repositories/main",
		"/plans/letters/report", "/settings/audit", snapshot, snapshot + "/browse?path=" + query(folder+"/<img src=x onerror=canary=1>"),
		"/diff?repository=main&from=" + all[0].ID + "&to=" + all[len(all)-1].ID,
		"/find?q=canary", "/find?q=" + query(attack), "/login?next=" + query("javascript:canary=1"), "/runs?plan=" + query(attack),
		"/restore?repository=main&snapshot=" + all[0].ID + "&target=" + query("/tmp/"+attack),
		"/" + url.PathEscape(attack), "/plans/" + url.PathEscape(attack),
	}
	for _, name := range names {
		at := "path=" + query(folder+"/"+name)
		pages = append(pages, snapshot+"/browse?"+at, snapshot+"/versions?"+at, "/restore?repository=main&snapshot="+all[0].ID+"&"+at)
	}
	shown := false
	for _, page := range pages {
		b.faults()
		status := b.visit(page)
		got := eval[struct {
			Canary, Strange bool
			Shown           bool
		}](b, `({ Canary: "canary" in window, Strange: !!document.querySelector("img, script:not([src]), [onerror], [onload], a[href^='javascript']"), Shown: document.body.textContent.includes("<img src=x onerror=canary=1>") })`)
		if got.Canary || got.Strange {
			t.Errorf("%s: %+v", page, got)
		}
		shown = shown || got.Shown
		for _, fault := range b.faults() {
			if status < 400 {
				t.Errorf("%s: %s", page, fault)
			}
		}
		if status >= 500 {
			t.Errorf("%s: status %d: %s", page, status, b.text())
		}
	}
	if !shown {
		t.Error("no page shows the names")
	}
	// What pages replace by themselves is text, too.
	b.visit("/runs/" + failed[0])
	said, _ := json.Marshal(attack)
	b.until("the log tells it", fmt.Sprintf("document.getElementById('log').textContent.includes(%s)", said))
}
