package browser

import (
	"strings"
	"testing"
)

// A page that is looked at while the service is killed says so, goes on by
// itself once it is back, and nobody has to log in again.
func TestTheServiceIsLostAndComesBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	plans := map[string]string{"letters": ""}
	h.configure("127.0.0.1:0", plans)
	h.Write("letters/ann.txt", "dear Ann")
	h.init()
	s := h.serve()
	b := s.open(t)
	same := b.stays()
	b.says("there is no backup yet")
	s.Kill()
	b.until("the page tells that the connection is lost", `!document.getElementById("connection").hidden && document.getElementById("connection").textContent.startsWith("The connection is lost")`)
	b.says("there is no backup yet") // what was seen last stays

	h.Holdfast.Run(t, "plan", "run", "-q", "letters")
	h.configure(strings.Trim(strings.TrimPrefix(s.url, "http://"), "/"), plans)
	h.serve()
	b.until("the connection is back", `document.getElementById("connection").hidden`)
	b.until("the page shows what was done meanwhile", `!document.body.textContent.includes("there is no backup yet")`)
	if !same() {
		t.Error("the page was loaded again")
	}
	b.click("Runs")
	b.until("nobody has to log in again", `location.pathname === "/runs" && document.querySelector("h1").textContent === "Runs"`)
}
