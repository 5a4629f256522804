package web

import (
	"net/http"
	"strings"

	"holdfast/internal/api"
)

// logData is what the page of a database's log shows.
type logData struct {
	Plan     string
	Source   string
	Archives []api.LogArchive
}

func (s *site) log(r *http.Request) (*page, error) {
	d := logData{Plan: r.PathValue("name"), Source: r.FormValue("source")}
	var err error
	if d.Archives, err = s.Backend.Log(r.Context(), api.LogQuery{Plan: d.Plan, Source: d.Source}); err != nil {
		return nil, err
	}
	return &page{Title: "Log of " + d.Plan, Area: "/", Template: "log.html", Data: d}, nil
}

// verifyData is what is asked before a restore is tested.
type verifyData struct {
	Plan *api.Plan
	// Repository and Point are chosen already.
	Repository, Point string
}

func (s *site) verifyPage(r *http.Request) (*page, error) {
	d := verifyData{Repository: r.FormValue("repository"), Point: r.FormValue("point")}
	var err error
	if d.Plan, err = s.Backend.Plan(r.Context(), r.PathValue("name")); err != nil {
		return nil, err
	}
	return &page{Title: "Test a restore of " + d.Plan.Name, Area: "/tests", Template: "verify.html", Data: d}, nil
}

func (s *site) verify(r *http.Request) (*done, error) {
	point := r.PostFormValue("point")
	if point == "at" {
		point = strings.TrimSpace(r.PostFormValue("at"))
	}
	return s.begin(r, &api.VerifyAct{
		Plan: r.PathValue("name"), Source: r.PostFormValue("source"), Repository: r.PostFormValue("repository"), Point: point,
	}, "A restore is being tested: it goes to a place apart, is looked into, and removed again.")
}
