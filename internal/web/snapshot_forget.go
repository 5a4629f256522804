package web

import (
	"fmt"
	"net/http"

	"holdfast/internal/api"
)

// forgetData is what forgetting would do.
type forgetData struct {
	Repository string
	Snapshots  []string
	Plan       *api.ForgetPlan
	Command    string
}

// forget shows what forgetting snapshots would remove, before anybody asks for
// it.
func (s *site) forget(r *http.Request) (*page, error) {
	query := r.URL.Query()
	d := forgetData{Repository: query.Get("repository"), Snapshots: query["id"]}
	if len(d.Snapshots) == 0 {
		return nil, fmt.Errorf("%w: pick the snapshots to forget in the list of snapshots; none is picked", api.ErrInvalid)
	}
	plan, err := s.Backend.PlanForget(r.Context(), api.ForgetRequest{Repository: d.Repository, Snapshots: d.Snapshots})
	if err != nil {
		return nil, err
	}
	d.Plan, d.Command = plan, shellLine(plan.Command)
	return &page{Title: "Forget snapshots", Area: "/snapshots", Template: "forget.html", Data: d}, nil
}

func (s *site) beginForget(r *http.Request) (*done, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	run, err := s.Backend.Forget(r.Context(), api.ForgetRequest{
		Repository: r.PostForm.Get("repository"), Snapshots: r.PostForm["id"], Confirm: r.PostForm.Get("confirm"),
	})
	if err != nil {
		return nil, err
	}
	return &done{To: runURL(run), Said: "The snapshots are being forgotten."}, nil
}
