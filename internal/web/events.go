package web

import (
	"net/http"
	"strconv"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/event"
)

const eventsPerPage = 100

// eventsData is what the page of events shows.
type eventsData struct {
	names

	Plan, Repository, Kind, Since, Until string
	Least                                event.Severity
	Open                                 bool // problems that are not over alone
	Severities                           []event.Severity
	Events                               []problem
	Problems                             int
	Older                                string
	Filtered                             bool
}

func (s *site) events(r *http.Request) (*page, error) {
	v := r.URL.Query()
	d := &eventsData{
		Plan: v.Get("plan"), Repository: v.Get("repository"), Kind: v.Get("kind"), Since: v.Get("since"), Until: v.Get("until"), Open: v.Get("open") != "",
		Severities: []event.Severity{event.Info, event.Warning, event.Error, event.Critical},
	}
	if text := v.Get("severity"); text != "" {
		if err := d.Least.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
	}
	d.Filtered = d.Plan != "" || d.Repository != "" || d.Kind != "" || d.Since != "" || d.Until != "" || d.Least > event.Info
	open, err := s.Backend.Problems(r.Context())
	if err != nil {
		return nil, err
	}
	d.Problems = len(open)
	if d.Open {
		d.Events = problemsOf(open)
		return d.page(), nil
	}
	return s.eventList(r, d)
}

func (s *site) eventList(r *http.Request, d *eventsData) (*page, error) {
	q := api.EventQuery{Plan: d.Plan, Repository: d.Repository, Kind: d.Kind, MinSeverity: d.Least, Limit: eventsPerPage + 1}
	var err error
	if q.Since, err = s.readDay(d.Since, 0); err != nil {
		return nil, err
	}
	if q.Until, err = s.readDay(d.Until, 1); err != nil {
		return nil, err
	}
	// "before" is an instant in nanoseconds, made by the link to older ones.
	if before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64); err == nil {
		q.Until = time.Unix(0, before)
	}
	found, err := s.Backend.Events(r.Context(), q)
	if err != nil {
		return nil, err
	}
	if len(found) > eventsPerPage {
		d.Older = withQuery(r, "before", strconv.FormatInt(found[eventsPerPage].Time.UnixNano(), 10))
		found = found[:eventsPerPage]
	}
	for _, e := range found {
		p := problem{Event: e}
		p.To, p.ToName = whereTold(e)
		d.Events = append(d.Events, p)
	}
	d.names, err = s.allNames(r)
	return d.page(), err
}

func (d *eventsData) page() *page {
	return &page{Title: "Events", Area: "/events", Template: "events.html", Data: d}
}
