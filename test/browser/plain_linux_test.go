package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Without JavaScript everything can be read, and every form works.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.configure("127.0.0.1:0", map[string]string{"letters": ""})
	h.Write("letters/ann.txt", "dear Ann")
	h.init()
	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	s := h.serve()
	b := open(t, s.url)
	b.run("turn scripts off", emulation.SetScriptExecutionDisabled(true))
	b.login(h.token)
	b.run("press a key of the script", chromedp.KeyEvent("?"))
	if strings.Contains(b.text(), "Change the page") {
		t.Error("scripts run")
	}
	b.says("Newest restorable point")
	b.click("Back up now")
	b.says("It is asked for")
	b.click("Runs")
	b.click("Backup (incremental)")
	b.says("Succeeded") // while it runs the page loads itself again
	b.click("letters")
	b.says("Two weeks of runs")
	b.fill("Find a file", "ann")
	b.enter()
	b.says("1 found")
	b.click("Restore ann.txt")
	b.click("Restore now")
	b.says("/runs/")
	b.says("Succeeded")
	b.visit("/snapshots")
	b.says("2 snapshots in main")
	for _, name := range []string{"Runs", "Repositories", "Restore tests", "Events", "Settings"} {
		b.click(name)
		b.until(name+" can be read", `document.querySelector("h1")?.textContent.trim() === "`+name+`"`)
	}
	b.click("admin") // a menu needs no script
	b.click("Log out")
	b.says("Log in to holdfast")
	if faults := b.faults(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
}
