package web

import (
	"net/http"
	"time"

	"holdfast/internal/api"
)

const runsPerPage = 50

// runsData is what the list of runs shows.
type runsData struct {
	names

	Plan, Repository, Job, Outcome, Since, Until string
	Filtered                                     bool
	Kinds, Outcomes                              []string
	Span                                         string
	Spans                                        []choice
	Strip                                        *strip
	Runs                                         []api.Run
	Older, Newest                                string
}

// stripSpans are how far back runs are drawn.
var stripSpans = []choice{{"1d", "Day"}, {"7d", "Week"}, {"30d", "Month"}}

func (s *site) runs(r *http.Request) (*page, error) {
	v := r.URL.Query()
	d := &runsData{
		Plan: v.Get("plan"), Repository: v.Get("repository"), Job: v.Get("job"), Outcome: v.Get("outcome"), Since: v.Get("since"), Until: v.Get("until"),
		Kinds: jobKinds, Outcomes: []string{api.Running, "succeeded", "partial", "failed", "interrupted", "skipped"}, Span: v.Get("span"), Spans: stripSpans,
	}
	d.Filtered = d.Plan != "" || d.Repository != "" || d.Job != "" || d.Outcome != "" || d.Since != "" || d.Until != ""
	q := api.RunQuery{Plan: d.Plan, Repository: d.Repository, Job: d.Job, Outcome: d.Outcome, After: v.Get("after"), Limit: runsPerPage}
	var err error
	if q.Since, err = s.readDay(d.Since, 0); err != nil {
		return nil, err
	}
	if q.Until, err = s.readDay(d.Until, 1); err != nil {
		return nil, err
	}
	found, err := s.Backend.Runs(r.Context(), q)
	if err != nil {
		return nil, err
	}
	d.Runs = found.Runs
	if found.After != "" {
		d.Older = withQuery(r, "after", found.After)
	}
	if q.After != "" {
		d.Newest = withQuery(r, "after", "")
	}
	if err := s.drawRuns(r, d, q); err != nil {
		return nil, err
	}
	d.names, err = s.allNames(r)
	return &page{Title: "Runs", Area: "/runs", Template: "runs.html", Data: d, Refresh: 30}, err
}

// drawRuns draws what the filter lets through along time.
func (s *site) drawRuns(r *http.Request, d *runsData, q api.RunQuery) error {
	days := 7
	switch d.Span {
	case "1d":
		days = 1
	case "30d":
		days = 30
	default:
		d.Span = "7d"
	}
	to := time.Now()
	if !q.Until.IsZero() && q.Until.Before(to) {
		to = q.Until
	}
	q.Since, q.Until, q.After, q.Limit = to.AddDate(0, 0, -days), to, "", maxDrawn
	found, err := s.Backend.Runs(r.Context(), q)
	if err != nil {
		return err
	}
	d.Strip = s.stripOf(found.Runs, q.Since, to, func(r *api.Run) string {
		if r.Plan != "" {
			return r.Plan
		}
		return r.Repository
	})
	return nil
}

// names are those that lists can be filtered by.
type names struct{ Plans, Repositories []string }

func (s *site) allNames(r *http.Request) (n names, err error) {
	plans, err := s.Backend.Plans(r.Context())
	if err != nil {
		return n, err
	}
	for k := range plans {
		n.Plans = append(n.Plans, plans[k].Name)
	}
	all, err := s.Backend.Repositories(r.Context())
	if err != nil {
		return n, err
	}
	for k := range all {
		n.Repositories = append(n.Repositories, all[k].Name)
	}
	return n, nil
}
