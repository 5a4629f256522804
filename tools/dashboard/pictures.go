package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// picture is one of the documentation.
type picture struct {
	name, path    string
	width, height int64
	scheme        string
}

var pictures = []picture{
	{"safe-light", "/", 1280, 860, "light"},
	{"safe-dark", "/", 1280, 860, "dark"},
	{"safe-phone", "/", 390, 844, "light"},
	{"runs-dark", "/runs", 1280, 860, "dark"},
	{"tests-light", "/tests", 1280, 860, "light"},
}

// maxPicture bounds a picture in bytes: they are kept with every version.
const maxPicture = 150 << 10

// picturesLimit is how long all pictures may take, the start of the browser
// included.
const picturesLimit = 5 * time.Minute

// takePictures writes the pictures of a site to a folder.
func takePictures(site http.Handler, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // to be read
		return err
	}
	server := httptest.NewServer(site)
	defer server.CloseClientConnections() // pages follow what happens for as long as they are open
	ctx, cancel := context.WithTimeout(context.Background(), picturesLimit)
	defer cancel()
	ctx, end := openBrowser(ctx)
	defer end()
	for _, p := range pictures {
		if err := p.take(ctx, server.URL, folder); err != nil {
			return fmt.Errorf("picture %s: %w", p.name, err)
		}
	}
	return nil
}

// openBrowser returns a context with a window of Chromium, which is started
// when it is first used.
func openBrowser(ctx context.Context) (context.Context, context.CancelFunc) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU, chromedp.WSURLReadTimeout(picturesLimit))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, endBrowser := chromedp.NewExecAllocator(ctx, options...)
	quiet := func(string, ...any) {} // a newer browser sends events that the library does not know
	ctx, endWindow := chromedp.NewContext(ctx, chromedp.WithErrorf(quiet), chromedp.WithLogf(quiet))
	return ctx, func() {
		endWindow()
		endBrowser()
	}
}

func (p picture) take(ctx context.Context, base, folder string) error {
	var seen []byte
	err := chromedp.Run(ctx,
		emulation.SetDeviceMetricsOverride(p.width, p.height, 1, p.width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: p.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}),
		chromedp.Navigate(base+"/"+strings.TrimPrefix(p.path, "/")),
		chromedp.CaptureScreenshot(&seen))
	if err != nil {
		return err
	}
	small, err := packed(seen)
	if err != nil {
		return err
	}
	if len(small) > maxPicture {
		return fmt.Errorf("it has %d bytes, more than %d", len(small), maxPicture)
	}
	return os.WriteFile(filepath.Join(folder, p.name+".png"), small, 0o644) //nolint:gosec // to be read
}

// packed is a picture in as few bytes as PNG takes for it.
func packed(seen []byte) ([]byte, error) {
	img, err := png.Decode(bytes.NewReader(seen))
	if err != nil {
		return nil, err
	}
	var small bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, img)
	return small.Bytes(), err
}
