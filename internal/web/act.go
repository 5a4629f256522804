package web

import (
	"fmt"
	"net/http"

	"holdfast/internal/api"
)

// actData is what the page of an act shows: what it would do, before anybody
// asks for it.
type actData struct {
	// Above is where the page belongs, and Title what it asks.
	Above []step
	Title string
	// Intro says what it is good for.
	Intro string
	Plan  *api.ActPlan
	// Nothing is what to say where nothing would change.
	Nothing string
	Command string
	// To is where the form goes, Fields what it carries, Do what its button says.
	To     string
	Fields []field
	Do     string
	// Danger marks what cannot be undone.
	Danger bool
	// Back is where who does not want it goes.
	Back string
}

// step is a page above another.
type step struct{ To, Name string }

// planned makes the page of an act.
func (s *site) planned(r *http.Request, q api.ActRequest, d actData) (*page, error) {
	plan, err := s.Backend.PlanAct(r.Context(), q)
	if err != nil {
		return nil, err
	}
	d.Plan, d.Command = plan, shellLine(plan.Command)
	return &page{Title: d.Title, Area: "/repositories", Template: "act.html", Data: d}, nil
}

// begin begins an act, and goes to its run.
func (s *site) begin(r *http.Request, q api.ActRequest, said string) (*done, error) {
	run, err := s.Backend.BeginAct(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return &done{To: runURL(run), Said: said}, nil
}

// confirmed are the fields of every act that was planned.
func confirmed(r *http.Request) api.Planned { return api.Planned{Confirm: r.PostFormValue("confirm")} }

// aboveOf leads to a repository.
func aboveOf(repository string) []step {
	return []step{{"/repositories", "Repositories"}, {repositoryURL(repository), repository}}
}

// form reads a form of the body.
func form(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	return nil
}
