package web

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"holdfast/internal/api"
	"holdfast/internal/web/webtest"
)

// reporting is a service with one report.
type reporting struct {
	*webtest.Backend

	report api.Report
	asked  []api.Month
}

func (r *reporting) Report(_ context.Context, _ string, m api.Month) (*api.Report, error) {
	r.asked = append(r.asked, m)
	report := r.report
	report.Month = m
	return &report, nil
}

func reportingOn(report api.Report) *reporting {
	b := webtest.Usual(time.Now())
	if report.Plan.Name == "" {
		report.Plan = b.AllPlans[0]
	}
	return &reporting{Backend: b, report: report}
}

// rowOf is what stands in the row of a table that begins with a word.
func rowOf(doc *html.Node, first string) string {
	for _, tr := range all(doc, "tr") {
		if text := textOf(tr); strings.HasPrefix(text, first) {
			return text
		}
	}
	return ""
}

func TestReportAddsUp(t *testing.T) {
	r := reportingOn(api.Report{
		Runs: map[string]map[string]int{
			"backup": {"succeeded": 28, "partial": 1, "failed": 2}, "copy": {"succeeded": 29, "interrupted": 3}, "prune": {"skipped": 4},
		},
		Tests: []api.RestoreTest{{Verdict: "proven"}, {Verdict: "proven"}, {Verdict: "failed", Findings: []string{"3 rows are missing"}}, {Verdict: "not-judged"}},
	})
	doc := sideOf(t, r).see("/plans/shop/report?month=2026-10")
	for first, want := range map[string]string{
		"Backup": "Backup 28 1 2 0 0 31", "Copy": "Copy 29 0 0 3 0 32", "Prune": "Prune 0 0 0 0 4 4", "All": "All 57 1 2 3 4 67",
	} {
		if got := rowOf(doc, first); got != want {
			t.Errorf("the row is %q, want %q", got, want)
		}
	}
	mustSay(t, doc, "October 2026", "2 proven, 1 failed, 1 not judged", "3 rows are missing", "A restore test failed.")
	if r.asked[0] != (api.Month{Year: 2026, Month: time.October}) {
		t.Errorf("asked for %v", r.asked[0])
	}
}

func TestReportClaimsNoMoreThanWasMeasured(t *testing.T) {
	plan := webtest.Usual(time.Now()).AllPlans[0]
	plan.RPO.Promised, plan.RTO.Promised = 900, 3600
	proven := []api.RestoreTest{{Verdict: "proven"}}
	runs := map[string]map[string]int{"backup": {"succeeded": 1}}
	for name, c := range map[string]struct {
		report         api.Report
		sentence       string
		rpo, rto, none string
	}{
		"kept": {
			report:   api.Report{Plan: plan, Runs: runs, Tests: proven, WorstRPO: 800, WorstRTO: 30},
			sentence: "All promises were kept, and restores were proven.", rpo: "kept", rto: "kept",
		},
		"worse than promised": {
			report:   api.Report{Plan: plan, Runs: runs, Tests: proven, WorstRPO: 901, WorstRTO: 30},
			sentence: "A promise was broken.", rpo: "broken", rto: "kept",
		},
		"told by events": {
			report:   api.Report{Plan: plan, Runs: runs, Tests: proven, WorstRPO: 10, WorstRTO: 30, RTOBrokenSeconds: 60},
			sentence: "A promise was broken.", rpo: "kept", rto: "broken",
		},
		"not measured": {
			report:   api.Report{Plan: plan, Runs: runs, Tests: proven},
			sentence: "no promise is known to have been broken", rpo: "not known", rto: "not known",
		},
		"not tested": {
			report:   api.Report{Plan: plan, Runs: runs, WorstRPO: 800},
			sentence: "No restore was proven in this month.", rpo: "kept", rto: "not known",
		},
		"nothing promised": {
			report:   api.Report{Plan: api.Plan{Name: "shop"}, Runs: runs, Tests: proven, WorstRPO: 8000},
			sentence: "no promise is known to have been broken", rpo: "not promised", rto: "not promised",
		},
		"empty": {
			report: api.Report{Plan: plan}, sentence: "Nothing was done in this month", rpo: "not known", rto: "not known",
		},
		"incomplete": {
			report:   api.Report{Plan: plan, Runs: runs, Tests: proven, WorstRPO: 800, WorstRTO: 30, Incomplete: "history begins on 12 November"},
			sentence: "history begins on 12 November", rpo: "kept", rto: "kept",
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := sideOf(t, reportingOn(c.report)).see("/plans/shop/report")
			mustSay(t, doc, c.sentence)
			if got := rowOf(doc, "RPO"); !strings.HasSuffix(got, " "+c.rpo) {
				t.Errorf("RPO is %q, want %q", got, c.rpo)
			}
			if got := rowOf(doc, "RTO"); !strings.HasSuffix(got, " "+c.rto) {
				t.Errorf("RTO is %q, want %q", got, c.rto)
			}
		})
	}
}

// The file is all there is: it loads nothing and leads nowhere.
func TestReportFileStandsAlone(t *testing.T) {
	b := webtest.Hostile(time.Now())
	w := sideOf(t, b).get(string(link("plans", b.AllPlans[0].Name, "report.html", "?", "month", "2026-10")))
	if got := w.Header().Get("Content-Disposition"); w.Code != http.StatusOK || !strings.HasPrefix(got, "attachment") {
		t.Fatalf("status %d, %q", w.Code, got)
	}
	doc := parsed(t, w.Body)
	for _, tag := range []string{"script", "link", "img", "a", "form"} {
		if n := len(all(doc, tag)); n != 0 {
			t.Errorf("it has %d <%s>", n, tag)
		}
	}
	style := all(doc, "style")
	if len(style) != 1 || !strings.Contains(textOf(style[0]), "@page") || strings.Contains(textOf(style[0]), "url(") {
		t.Error("it does not carry its style")
	}
	mustSay(t, doc, "Backup report", "Objectives", "October 2026")
}

func TestMonthsOfReports(t *testing.T) {
	s := sideOf(t, reportingOn(api.Report{}))
	now := time.Now().UTC()
	doc := s.see("/plans/shop/report")
	links := make(map[string]string)
	for _, a := range all(doc, "a") {
		links[textOf(a)] = attribute(a, "href")
	}
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	if want := "/plans/shop/report?month=" + first.AddDate(0, -1, 0).Format("2006-01"); links["Month before"] != want {
		t.Errorf("the month before is %q, want %q", links["Month before"], want)
	}
	if links["Month after"] != "" {
		t.Errorf("there is a report on the future: %q", links["Month after"])
	}
	if w := s.get("/plans/shop/report?month=November"); w.Code != http.StatusBadRequest {
		t.Errorf("status %d for a month that is none", w.Code)
	}
}
