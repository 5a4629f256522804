package web

import (
	"bytes"
	"io"
	"net/http"

	"holdfast/internal/api"
)

// paper sends something to print or to hand over.
func (s *site) paper() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := api.PaperQuery{Repository: r.PathValue("repository"), Paper: api.Paper(r.PathValue("paper")), Of: r.FormValue("of")}
		if err := api.ServePaper(w, r, s.Backend, q); err != nil {
			s.render(w, r, s.errorPage(r, err))
		}
	})
}

// kitData is what the page of a recovery kit shows.
type kitData struct {
	Repository string
	Text       string
}

func (s *site) kit(r *http.Request) (*page, error) {
	d := kitData{Repository: r.PathValue("repository")}
	var text bytes.Buffer
	err := s.Backend.Paper(r.Context(), api.PaperQuery{Repository: d.Repository, Paper: api.KitText}, func() io.Writer { return &text })
	if err != nil {
		return nil, err
	}
	d.Text = text.String()
	return &page{Title: "Recovery kit of " + d.Repository, Area: "/repositories", Template: "kit.html", Data: d}, nil
}

func (s *site) checkKit(r *http.Request) (*done, error) {
	return s.begin(r, &api.KitCheckAct{Repository: r.PathValue("repository"), Page: r.PostFormValue("page")}, "The recovery kit is being held to the repository.")
}

// evidence shows what all records of a repository come to.
func (s *site) evidence(r *http.Request) (*page, error) {
	found, err := s.Backend.Evidence(r.Context(), r.PathValue("repository"))
	if err != nil {
		return nil, err
	}
	return &page{Title: "Evidence in " + found.Repository, Area: "/tests", Template: "evidence.html", Data: found}, nil
}
