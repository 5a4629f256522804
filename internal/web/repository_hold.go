package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"holdfast/internal/api"
)

// holdData is what the form for a hold shows.
type holdData struct {
	Repository string
	Plan       string // chosen already
	Source     string
	Plans      []api.Plan
}

// holdPage asks what is held, and why.
func (s *site) holdPage(r *http.Request) (*page, error) {
	d := holdData{Repository: r.PathValue("repository"), Plan: r.FormValue("plan"), Source: r.FormValue("source")}
	plans, err := s.Backend.Plans(r.Context())
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		if _, is := placeOf(p, d.Repository); is {
			d.Plans = append(d.Plans, p)
		}
	}
	return &page{Title: "Hold snapshots", Area: "/repositories", Template: "hold.html", Data: d}, nil
}

func placeOf(p api.Plan, repository string) (api.Place, bool) {
	for _, place := range p.Places {
		if place.Repository == repository {
			return place, true
		}
	}
	return api.Place{}, false
}

func (s *site) placeHold(r *http.Request) (*done, error) {
	repository := r.PathValue("repository")
	q := api.HoldRequest{Plan: r.PostFormValue("plan"), Source: r.PostFormValue("source"), Reason: strings.TrimSpace(r.PostFormValue("reason"))}
	if q.Reason == "" {
		return nil, fmt.Errorf("%w: a hold needs a reason, for those who find it later", api.ErrInvalid)
	}
	if err := s.Backend.PlaceHold(r.Context(), repository, q); err != nil {
		return nil, err
	}
	return &done{To: repositoryURL(repository) + "#holds", Said: "From now on nothing of it is removed, until the hold is released."}, nil
}

// releaseData is what is asked before a hold is released.
type releaseData struct {
	Repository string
	Hold       api.Hold
}

func (s *site) releasePage(r *http.Request) (*page, error) {
	d := releaseData{Repository: r.PathValue("repository")}
	holds, err := s.Backend.Holds(r.Context(), d.Repository)
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		if h.ID == r.PathValue("id") {
			d.Hold = h
			return &page{Title: "Release a hold", Area: "/repositories", Template: "release.html", Data: d}, nil
		}
	}
	return nil, fmt.Errorf("%w: there is no such hold in %s; somebody may have released it", api.ErrNotFound, d.Repository)
}

func (s *site) releaseHold(r *http.Request) (*done, error) {
	repository, reason := r.PathValue("repository"), strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		return nil, fmt.Errorf("%w: say why the hold is released; it is kept in the audit log", api.ErrInvalid)
	}
	if err := s.Backend.ReleaseHold(r.Context(), repository, r.PathValue("id"), reason); err != nil {
		return nil, err
	}
	return &done{To: repositoryURL(repository) + "#holds", Said: "The hold is released: what the plan does not keep will be removed when it is next due."}, nil
}

func repositoryURL(name string) string { return "/repositories/" + url.PathEscape(name) }
