package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"holdfast/internal/api"
)

// A search is bounded: what it finds, and how long a page waits for it.
const (
	maxFound  = 300
	findFor   = 20 * time.Second
	minSearch = 2 // characters
)

// errEnough ends a search that found all a page can show.
var errEnough = errors.New("enough was found")

// findData is what a search shows.
type findData struct {
	Query  string
	Filter snapshotFilter
	Plans  []api.Plan
	// Asked are the repositories that were searched.
	Asked []string
	Found []api.Found
	// Damage could not be searched.
	Damage []api.Damage
	// Unread are repositories that could not be searched at all.
	Unread []api.Unread
	// More says that there is more than is shown, Slow that the search was
	// ended before its end.
	More, Slow bool
}

// find looks for a file in the snapshots of all plans, or of one.
func (s *site) find(r *http.Request) (*page, error) {
	d := findData{Query: strings.TrimSpace(r.FormValue("q")), Filter: readSnapshotFilter(r)}
	plans, err := s.Backend.Plans(r.Context())
	if err != nil {
		return nil, err
	}
	d.Plans = plans
	p := &page{Title: "Find", Area: "/snapshots", Template: "find.html"}
	if len([]rune(d.Query)) >= minSearch {
		if err := s.search(r, &d); err != nil {
			return nil, err
		}
		p.Title = "Find " + d.Query
	}
	p.Data = d
	return p, nil
}

// search asks each repository that is needed to see all plans once.
func (s *site) search(r *http.Request, d *findData) error {
	ctx, cancel := context.WithTimeout(r.Context(), findFor)
	defer cancel()
	for _, repository := range toSearch(d.Filter, d.Plans) {
		q := api.FindQuery{Pattern: d.Query, Limit: maxFound + 1}
		var err error
		if q.SnapshotQuery, err = s.snapshotQuery(d.Filter); err != nil {
			return err
		}
		q.Repository = repository
		err = s.Backend.Find(ctx, q, d.take)
		switch {
		case err == nil:
			d.Asked = append(d.Asked, repository)
		case errors.Is(err, errEnough):
			d.More = true
			return nil
		case ctx.Err() != nil && r.Context().Err() == nil:
			d.Slow = true
			return nil
		case errors.Is(err, api.ErrUnavailable):
			d.Unread = append(d.Unread, api.Unread{Repository: repository, Why: err.Error()})
		default:
			return fmt.Errorf("search %s: %w", repository, err)
		}
	}
	return nil
}

func (d *findData) take(f api.Found) error {
	if f.Damage != nil {
		if len(d.Damage) < maxFound {
			d.Damage = append(d.Damage, *f.Damage)
		}
		return nil
	}
	if len(d.Found) == maxFound {
		return errEnough
	}
	d.Found = append(d.Found, f)
	return nil
}

// toSearch are the repositories that hold all plans of a filter, each plan in
// one of them.
func toSearch(f snapshotFilter, plans []api.Plan) []string {
	if f.Repository != "" {
		return []string{f.Repository}
	}
	var all []string
	seen := make(map[string]bool)
	for _, p := range plans {
		if f.Plan != "" && p.Name != f.Plan {
			continue
		}
		if place, ok := usualPlace(p); ok && !seen[place.Repository] {
			seen[place.Repository] = true
			all = append(all, place.Repository)
		}
	}
	return all
}

// versionsData is what the versions of a file show.
type versionsData struct {
	Snapshot api.Snapshot
	Path     string
	Found    []api.Found
	Damage   []api.Damage
	More     bool
	Slow     bool
}

// versions lists the same path in other snapshots of the same source.
func (s *site) versions(r *http.Request) (*page, error) {
	sn, err := s.Backend.Snapshot(r.Context(), r.PathValue("repository"), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d := versionsData{Snapshot: *sn, Path: r.FormValue("path")}
	ctx, cancel := context.WithTimeout(r.Context(), findFor)
	defer cancel()
	q := api.FindQuery{
		SnapshotQuery: api.SnapshotQuery{Repository: sn.Repository, Plan: sn.Plan, Source: sn.Source, Host: sn.Host},
		Path:          d.Path, Limit: maxFound + 1,
	}
	err = s.Backend.Find(ctx, q, func(f api.Found) error {
		switch {
		case f.Damage != nil:
			d.Damage = append(d.Damage, *f.Damage)
		case len(d.Found) == maxFound:
			return errEnough
		default:
			d.Found = append(d.Found, f)
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		d.More = true
	case err != nil && ctx.Err() != nil && r.Context().Err() == nil:
		d.Slow = true
	case err != nil:
		return nil, err
	}
	return &page{Title: "Versions of " + d.Path, Area: "/snapshots", Template: "versions.html", Data: d}, nil
}
