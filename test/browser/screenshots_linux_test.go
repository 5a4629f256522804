package browser

import (
	"bytes"
	"image/png"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// The pictures of the documentation are taken of the made-up plans of
// tools/dashboard, by
//
//	make screenshots
//
// which names the folder, as seen from the root of the checkout.
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
	b := open(t, madeUp(t))
	for _, p := range []struct {
		name, path    string
		width, height int64
		scheme        string
	}{
		{"safe-light", "/", 1280, 860, "light"},
		{"safe-dark", "/", 1280, 860, "dark"},
		{"safe-phone", "/", 390, 844, "light"},
		{"runs-dark", "/runs", 1280, 860, "dark"},
		{"tests-light", "/tests", 1280, 860, "light"},
	} {
		b.look(p.width, p.height, p.scheme)
		b.visit(p.path)
		var picture []byte
		b.run("take a picture", chromedp.CaptureScreenshot(&picture))
		small := packed(t, picture)
		if len(small) > 150<<10 {
			t.Errorf("%s has %d bytes", p.name, len(small))
		}
		if err := os.WriteFile(filepath.Join(folder, p.name+".png"), small, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// packed is a picture in as few bytes as PNG takes for it.
func packed(t *testing.T, picture []byte) []byte {
	t.Helper()
	seen, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, seen); err != nil {
		t.Fatal(err)
	}
	return small.Bytes()
}

// madeUp shows the dashboard on made-up plans, and returns its address.
func madeUp(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "dashboard")
	if out, err := exec.Command("go", "build", "-o", program, "holdfast/tools/dashboard").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "-addr", address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it has ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	url := "http://" + address + "/"
	(&tab{t: t}).waitFor("the dashboard answers", func() bool {
		got, err := http.Get(url)
		if err != nil {
			return false
		}
		return got.Body.Close() == nil
	})
	return url
}
