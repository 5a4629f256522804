package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/api"
)

const (
	// planRuns is how many runs the page of a plan lists, planSpan how far back
	// they are drawn.
	planRuns = 12
	planSpan = 14 * 24 * time.Hour
)

// planData is what the page of a plan shows.
type planData struct {
	planRow

	Problems []problem
	Runs     []api.Run
	Strip    *strip
	Month    string
	// Databases are the sources whose log is archived.
	Databases []string
}

func (s *site) plan(r *http.Request) (*page, error) {
	p, err := s.Backend.Plan(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	d := &planData{planRow: planRowOf(*p), Month: s.now().Format("2006-01")}
	for _, source := range p.Sources {
		if !source.LogTo.IsZero() {
			d.Databases = append(d.Databases, source.Name)
		}
	}
	open, err := s.Backend.Problems(r.Context())
	if err != nil {
		return nil, err
	}
	for _, found := range problemsOf(open) {
		if found.Plan == p.Name {
			if found.To == string(link("plans", p.Name)) {
				found.To = "" // here
			}
			d.Problems = append(d.Problems, found)
		}
	}
	now := time.Now()
	runs, err := s.Backend.Runs(r.Context(), api.RunQuery{Plan: p.Name, Since: now.Add(-planSpan), Limit: maxDrawn})
	if err != nil {
		return nil, err
	}
	d.Strip = s.stripOf(runs.Runs, now.Add(-planSpan), now, func(r *api.Run) string { return jobName(r.Job) })
	d.Runs = runs.Runs[:min(planRuns, len(runs.Runs))]
	return &page{Title: p.Name, Area: "/", Template: "plan.html", Data: d, Refresh: 60}, nil
}

// pauseData is what is asked before a plan pauses.
type pauseData struct {
	Name string
	For  []choice
}

func (s *site) pausePage(r *http.Request) (*page, error) {
	p, err := s.Backend.Plan(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	d := pauseData{p.Name, []choice{{"1", "1 hour"}, {"4", "4 hours"}, {"24", "1 day"}, {"72", "3 days"}, {"168", "a week"}, {"0", "until somebody resumes it"}}}
	return &page{Title: "Pause " + p.Name, Area: "/", Template: "pause.html", Data: d}, nil
}

func (s *site) pause(r *http.Request) (*done, error) {
	name := r.PathValue("name")
	hours, err := strconv.Atoi(r.PostFormValue("hours"))
	if err != nil || hours < 0 || hours > 24*365 {
		return nil, fmt.Errorf("%w: a pause lasts up to a year, or 0 hours for without end", api.ErrInvalid)
	}
	q := api.PauseRequest{Reason: strings.TrimSpace(r.PostFormValue("reason")), ForSeconds: float64(hours) * 3600}
	if err := s.Backend.PausePlan(r.Context(), name, q); err != nil {
		return nil, err
	}
	return &done{To: string(link("plans", name)), Said: name + " is paused: nothing of it begins. What runs goes on."}, nil
}

func (s *site) resume(r *http.Request) (*done, error) {
	name := r.PathValue("name")
	if err := s.Backend.ResumePlan(r.Context(), name); err != nil {
		return nil, err
	}
	return &done{To: string(link("plans", name)), Said: name + " goes on. What was missed is caught up."}, nil
}

// startJob has a job run now.
func (s *site) startJob(r *http.Request) (*done, error) {
	job, variant := r.PostFormValue("job"), r.PostFormValue("type")
	if job == "" {
		return nil, fmt.Errorf("%w: it is not said which job is to run", api.ErrInvalid)
	}
	api.Note(r.Context(), "job", job)
	if err := s.Backend.StartJob(r.Context(), job, variant); err != nil {
		return nil, err
	}
	return &done{To: localPath(r.PostFormValue("back")), Said: "It is asked for, and begins as soon as nothing stands in its way."}, nil
}
