package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
)

// reportData is the report of a plan and a month, for a page and for paper.
type reportData struct {
	*api.Report

	RPO, RTO promise
	Jobs     []jobTotals
	Total    jobTotals
	verdicts

	Times *chart
	// Sentence is the month in one sentence, Class what it means.
	Sentence, Class string
	Empty           bool
	// Previous and Following are the months beside this one, as URLs.
	Previous, Following string
	// File is where the report is had as one file.
	File string
	Host string
	// Zone is that of all times of the report.
	Zone string
	// Style is what the report as a file carries with it.
	Style template.CSS
}

// promise is an objective and how it was kept in the month; seconds.
type promise struct {
	Name                    string
	Promised, Worst, Broken float64
	// Kept is kept, broken, not promised or not known.
	Kept string
}

// jobTotals are how the runs of a job ended.
type jobTotals struct {
	Job                                              string
	Succeeded, Partial, Failed, Interrupted, Skipped int
}

// All is how many runs there were.
func (j jobTotals) All() int { return j.Succeeded + j.Partial + j.Failed + j.Interrupted + j.Skipped }

// report shows what an auditor is given.
func (s *site) report(r *http.Request) (*page, error) {
	d, err := s.reportOf(r)
	if err != nil {
		return nil, err
	}
	return &page{Title: d.title(), Area: "/", Template: "report.html", Data: d}, nil
}

func (d *reportData) title() string { return "Report on " + d.Plan.Name + ", " + d.monthName() }

func (d *reportData) monthName() string {
	return fmt.Sprintf("%s %d", d.Month.Month, d.Month.Year)
}

// MonthName is the month as people say it.
func (d *reportData) MonthName() string { return d.monthName() }

// reportFile is the report as one file that needs nothing else, to keep or to
// hand over.
func (s *site) reportFile(w http.ResponseWriter, r *http.Request) {
	d, err := s.reportOf(r)
	if err != nil {
		s.render(w, r, s.errorPage(r, err))
		return
	}
	style, err := assetFiles.ReadFile("assets/report.css")
	if err != nil {
		panic("web: embedded asset: " + err.Error())
	}
	d.Style = template.CSS(style) // ours, out of the program
	var text bytes.Buffer
	if err := s.pages.alone(&text, "report.html", &frame{page: page{Title: d.title(), Data: d}}); err != nil {
		s.Log.Error("report cannot be made", "plan", d.Plan.Name, "error", err)
		http.Error(w, "The report cannot be made; the log of the service says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Disposition", api.Attachment("holdfast-"+d.Plan.Name+"-"+d.Month.String()+".html"))
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
	send(w, r, http.StatusOK, text.Bytes())
}

func (s *site) reportOf(r *http.Request) (*reportData, error) {
	name, now := r.PathValue("plan"), s.now()
	month := api.Month{Year: now.Year(), Month: now.Month()}
	if text := r.FormValue("month"); text != "" {
		var err error
		if month, err = api.ParseMonth(text); err != nil {
			return nil, err
		}
	}
	report, err := s.Backend.Report(r.Context(), name, month)
	if err != nil {
		return nil, err
	}
	service, err := s.Backend.Service(r.Context())
	if err != nil {
		return nil, err
	}
	d := &reportData{Report: report, Host: service.Host, Zone: now.Format("MST, -07:00")}
	d.Tests = s.zoned(report.Tests)
	d.count()
	d.judge()
	d.links(name, month, now)
	return d, nil
}

// count adds up runs and restore tests.
func (d *reportData) count() {
	d.Total.Job = "All"
	for job, outcomes := range d.Runs {
		t := jobTotals{
			Job: job, Succeeded: outcomes["succeeded"], Partial: outcomes["partial"], Failed: outcomes["failed"],
			Interrupted: outcomes["interrupted"], Skipped: outcomes["skipped"],
		}
		d.Jobs = append(d.Jobs, t)
		d.Total.add(t)
	}
	slices.SortFunc(d.Jobs, func(a, b jobTotals) int { return strings.Compare(a.Job, b.Job) })
	d.verdicts = verdictsOf(d.Tests)
	if oneSource(d.Tests) {
		d.Times = restoreTimes(d.Tests)
	}
	d.Empty = d.Total.All() == 0 && len(d.Tests) == 0 && len(d.Changes) == 0
}

func (j *jobTotals) add(o jobTotals) {
	j.Succeeded, j.Partial, j.Failed = j.Succeeded+o.Succeeded, j.Partial+o.Partial, j.Failed+o.Failed
	j.Interrupted, j.Skipped = j.Interrupted+o.Interrupted, j.Skipped+o.Skipped
}

// judge says how the promises were kept, in words that claim no more than was
// measured.
func (d *reportData) judge() {
	d.RPO = promiseOf("RPO", d.Plan.RPO.Promised, d.WorstRPO, d.RPOBrokenSeconds)
	d.RTO = promiseOf("RTO", d.Plan.RTO.Promised, d.WorstRTO, d.RTOBrokenSeconds)
	broken := d.RPO.Kept == "broken" || d.RTO.Kept == "broken"
	switch {
	case d.Empty:
		d.Class, d.Sentence = "near", "Nothing was done in this month: there are no runs, no restore tests and no changes on record."
	case broken && d.Failed > 0:
		d.Class, d.Sentence = "bad", "A promise was broken, and a restore test failed."
	case broken:
		d.Class, d.Sentence = "bad", "A promise was broken."
	case d.Failed > 0:
		d.Class, d.Sentence = "bad", "A restore test failed."
	case d.Proven == 0:
		d.Class, d.Sentence = "near", "No restore was proven in this month."
	case d.RPO.Kept == "kept" && d.RTO.Kept == "kept":
		d.Class, d.Sentence = "good", "All promises were kept, and restores were proven."
	default:
		d.Class, d.Sentence = "good", "Restores were proven, and no promise is known to have been broken."
	}
}

func promiseOf(name string, promised, worst, broken float64) promise {
	p := promise{Name: name, Promised: promised, Worst: worst, Broken: broken}
	switch {
	case promised <= 0:
		p.Kept = "not promised"
	case broken > 0 || worst > promised:
		p.Kept = "broken"
	case worst <= 0:
		p.Kept = "not known"
	default:
		p.Kept = "kept"
	}
	return p
}

func (d *reportData) links(plan string, month api.Month, now time.Time) {
	at := func(path string, months int) string {
		t := time.Date(month.Year, month.Month, 1, 0, 0, 0, 0, now.Location()).AddDate(0, months, 0)
		if t.After(now) {
			return ""
		}
		return "/plans/" + url.PathEscape(plan) + "/" + path + "?month=" + t.Format("2006-01")
	}
	d.Previous, d.Following, d.File = at("report", -1), at("report", 1), at("report.html", 0)
	if d.File == "" {
		d.File = "/plans/" + url.PathEscape(plan) + "/report.html?month=" + month.String()
	}
}

// alone writes the "alone" of a file: a text that needs nothing of this site.
func (t *templates) alone(w io.Writer, name string, data any) error {
	page, err := t.page(name)
	if err != nil {
		return err
	}
	return page.ExecuteTemplate(w, "alone", data)
}
