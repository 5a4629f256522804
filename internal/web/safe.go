package web

import "net/http"

// safe is the first page: is everything as promised?
func (s *site) safe(r *http.Request) (*page, error) {
	plans, err := s.Backend.Plans(r.Context())
	if err != nil {
		return nil, err
	}
	return &page{Title: "Am I safe?", Area: "/", Template: "safe.html", Data: plans}, nil
}
