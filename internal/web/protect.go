package web

import (
	"fmt"
	"net/http"
	"strings"

	"holdfast/internal/api"
)

// protectData is what the page asks: what is to be protected, and where to.
type protectData struct {
	First        bool // there is no plan yet
	Repositories []api.Repository
	What         string
}

// welcome leads who comes for the first time to what can be done: an admin to
// protect something, others to an admin.
func (s *site) welcome(r *http.Request) (*page, error) {
	if me, _ := api.PrincipalOf(r.Context()); me.Role >= api.RoleAdmin {
		return s.protectPage(r)
	}
	return &page{Title: "Welcome", Area: "/", Template: "welcome.html"}, nil
}

func (s *site) protectPage(r *http.Request) (*page, error) {
	plans, err := s.Backend.Plans(r.Context())
	if err != nil {
		return nil, err
	}
	d := &protectData{First: len(plans) == 0, What: r.URL.Query().Get("what")}
	if d.Repositories, err = s.Backend.Repositories(r.Context()); err != nil {
		return nil, err
	}
	return &page{Title: "What do you want to protect?", Area: "/", Template: "protect.html", Data: d}, nil
}

// protect begins a plan: it is written, backed up, and proven to come back.
func (s *site) protect(r *http.Request) (*done, error) {
	q := api.ProtectRequest{Name: strings.TrimSpace(r.PostFormValue("name")), To: strings.TrimSpace(r.PostFormValue("to"))}
	if url := strings.TrimSpace(r.PostFormValue("to-url")); url != "" {
		q.To = url
	}
	for line := range strings.Lines(r.PostFormValue("what")) {
		if line = strings.TrimSpace(line); line != "" {
			q.What = append(q.What, line)
		}
	}
	if len(q.What) == 0 {
		return nil, fmt.Errorf("%w: it is not said what to protect; write a folder such as /srv/www, or a connection string such as postgres://db.internal/shop", api.ErrInvalid)
	}
	run, err := s.Backend.Protect(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return &done{To: runURL(run), Said: "It began. This page shows how far it is; you may leave it, the run goes on."}, nil
}
