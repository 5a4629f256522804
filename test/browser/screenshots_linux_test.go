package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"holdfast/test/program"
)

// The pictures of the documentation are made by
//
//	HOLDFAST_SCREENSHOTS=docs/images go test -run Screenshots ./test/browser
//
// with the folder as seen from the root of the checkout (make screenshots).
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("HOLDFAST_SCREENSHOTS")
	if folder == "" {
		t.Skip("HOLDFAST_SCREENSHOTS names no folder to write to")
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join("..", "..", folder)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	h, s := usual(t)
	// Once more, so that it is read back and copied, as it is after a night.
	h.holdfast.Run(t, "plan", "run", "-q", "letters")
	b := s.open(t)
	snapshot := program.JSON[struct{ ID string }](t, h.holdfast, "snapshots", "-r", "main")[0].ID
	take := func(name, path string, width, height int64, scheme string) {
		b.look(width, height, scheme)
		b.visit(path)
		b.until("the page stands", `document.readyState === "complete"`)
		var picture []byte
		b.run("take a picture", chromedp.CaptureScreenshot(&picture))
		if len(picture) > 150<<10 {
			t.Errorf("%s has %d bytes", name, len(picture))
		}
		if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	take("safe-light", "/", 1280, 860, "light")
	take("safe-dark", "/", 1280, 860, "dark")
	take("safe-phone", "/", 390, 844, "light")
	take("restore-light", "/restore?repository=main&snapshot="+snapshot+"&path="+h.path("letters/2026/letter to Bob.txt"), 1280, 860, "light")
	take("run-dark", "/runs/"+h.ended("orders", "backup", "failed").ID, 1280, 860, "dark")
	take("tests-light", "/tests", 1280, 860, "light")
	take("protect-phone", "/protect", 390, 844, "dark")
}
