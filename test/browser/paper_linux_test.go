package browser

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// papers are what reports are printed on: inches, and what is left between the
// margins of the report in pixels.
var papers = []struct {
	name          string
	width, height float64
	between       int64
}{{"A4", 8.27, 11.69, 687}, {"Letter", 8.5, 11, 710}}

// mostPages is how many pages the report of a plan with a few runs may take.
const mostPages = 4

// paper prints the report of a plan: it is without what is for screens, nothing
// sticks out, and it is of a few pages.
func (v *visitor) paper() {
	v.visit("/plans/letters")
	v.click("Report of this month")
	v.says("Objectives")
	for _, p := range papers {
		v.run("look as on paper", emulation.SetEmulatedMedia().WithMedia("print"),
			emulation.SetDeviceMetricsOverride(p.between, 1000, 1, false))
		if wide := eval[int64](v.tab, "document.scrollingElement.scrollWidth"); wide > p.between {
			v.t.Errorf("on %s it is %d wide, and there is room for %d: %s", p.name, wide, p.between, eval[string](v.tab, widest))
		}
		if shown := eval[int](v.tab, `[...document.querySelectorAll(".top, .foot, nav, form, button")].filter((e) => e.checkVisibility()).length`); shown > 0 {
			v.t.Errorf("on %s there are %d things for screens", p.name, shown)
		}
		pdf := v.print(p.width, p.height)
		sizes := regexp.MustCompile(`/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]`).FindAllSubmatch(pdf, -1)
		if len(sizes) == 0 || len(sizes) > mostPages {
			v.t.Errorf("on %s it has %d pages", p.name, len(sizes))
		}
		for _, size := range sizes {
			if width, _ := strconv.ParseFloat(string(size[1]), 64); fmt.Sprintf("%.1f", width/72) != fmt.Sprintf("%.1f", p.width) {
				v.t.Errorf("a page for %s is %s points wide", p.name, size[1])
			}
		}
	}
	v.run("look as on a screen", emulation.SetEmulatedMedia().WithMedia(""))
	v.look(1280, 800, "light")
}

// print prints the page and returns what comes out, as a PDF.
func (v *visitor) print(width, height float64) (pdf []byte) {
	v.t.Helper()
	v.run("print", chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = page.PrintToPDF().WithPaperWidth(width).WithPaperHeight(height).WithPrintBackground(true).Do(ctx)
		return err
	}))
	return pdf
}
