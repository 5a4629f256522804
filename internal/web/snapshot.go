package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"holdfast/internal/api"
)

// snapshotFilter is what the list of snapshots is narrowed to, as it stands in
// the URL.
type snapshotFilter struct {
	Repository, Plan, Source, Host, Tag string
	Since, Until                        string
}

// snapshotsData is what the list of snapshots shows.
type snapshotsData struct {
	Filter       snapshotFilter
	Repositories []api.Repository
	Plans        []api.Plan
	Page         api.SnapshotPage
	Line         *timeline
	// Trouble is why the repository could not be read.
	Trouble string
	// First tells that the list begins with the newest, Next is the URL of what
	// follows, "" at the end.
	First bool
	Next  string
}

// snapshotsOfPage is how many snapshots a page lists.
const snapshotsOfPage = 100

func (s *site) snapshots(r *http.Request) (*page, error) {
	d := snapshotsData{Filter: readSnapshotFilter(r), First: r.FormValue("after") == ""}
	if err := s.choices(r, &d); err != nil {
		return nil, err
	}
	p := &page{Title: "Snapshots", Area: "/snapshots", Template: "snapshots.html"}
	if d.Filter.Repository == "" {
		p.Data = d
		return p, nil
	}
	q, err := s.snapshotQuery(d.Filter)
	if err != nil {
		return nil, err
	}
	q.After, q.Limit = r.FormValue("after"), snapshotsOfPage
	found, err := s.Backend.Snapshots(r.Context(), q)
	switch {
	case errors.Is(err, api.ErrUnavailable):
		d.Trouble = err.Error()
	case err != nil:
		return nil, err
	default:
		d.Page = *found
	}
	d.Line = timelineOf(snapshotTimes(d.Page.Snapshots, s.Zone), nil, time.Time{})
	if d.Page.After != "" {
		next := r.URL.Query()
		next.Set("repository", d.Filter.Repository)
		next.Set("after", d.Page.After)
		d.Next = "/snapshots?" + next.Encode()
	}
	p.Data = d
	return p, nil
}

// choices are what can be filtered by. Without a repository the one that most
// likely answers is shown: that of the plan, or the first that is not down.
func (s *site) choices(r *http.Request, d *snapshotsData) (err error) {
	if d.Repositories, err = s.Backend.Repositories(r.Context()); err != nil {
		return err
	}
	if d.Plans, err = s.Backend.Plans(r.Context()); err != nil {
		return err
	}
	if d.Filter.Repository == "" {
		d.Filter.Repository = usualRepository(d.Filter.Plan, d.Plans, d.Repositories)
	}
	return nil
}

func usualRepository(plan string, plans []api.Plan, all []api.Repository) string {
	for _, p := range plans {
		if p.Name == plan || plan == "" {
			if place, ok := usualPlace(p); ok {
				return place.Repository
			}
		}
	}
	for _, repo := range all {
		if repo.Down == "" {
			return repo.Name
		}
	}
	if len(all) > 0 {
		return all[0].Name
	}
	return ""
}

// usualPlace is where a plan is restored from: the first place that answers,
// or the first.
func usualPlace(p api.Plan) (api.Place, bool) {
	for _, place := range p.Places {
		if place.Down == "" {
			return place, true
		}
	}
	if len(p.Places) > 0 {
		return p.Places[0], true
	}
	return api.Place{}, false
}

func readSnapshotFilter(r *http.Request) snapshotFilter {
	get := r.URL.Query().Get
	return snapshotFilter{
		Repository: get("repository"), Plan: get("plan"), Source: get("source"), Host: get("host"), Tag: get("tag"),
		Since: get("since"), Until: get("until"),
	}
}

func (s *site) snapshotQuery(f snapshotFilter) (q api.SnapshotQuery, err error) {
	q = api.SnapshotQuery{Repository: f.Repository, Plan: f.Plan, Source: f.Source, Host: f.Host, Tag: f.Tag}
	if q.Since, err = s.readDay(f.Since, 0); err != nil {
		return q, err
	}
	q.Until, err = s.readDay(f.Until, 1)
	return q, err
}

// readDay reads an instant, or a day, of which it gives the beginning so many
// days later; zero for "".
func (s *site) readDay(text string, later int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, s.Zone); err == nil {
		return day.AddDate(0, 0, later), nil
	}
	return s.readInstant(text)
}

// readInstant reads an instant as forms and people write it, in the zone of
// the service if it names none.
func (s *site) readInstant(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, s.Zone); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%w: %q is no time; write it like 2026-11-23 14:30 or 2026-11-23T14:30:00Z", api.ErrInvalid, text)
	}
	return t, nil
}

// now is the present, in the zone of what is shown.
func (s *site) now() time.Time { return time.Now().In(s.Zone) }

func snapshotTimes(all []api.Snapshot, zone *time.Location) []time.Time {
	times := make([]time.Time, len(all))
	for k, sn := range all {
		times[k] = sn.Time.In(zone)
	}
	return times
}

// snapshotData is what the page of a snapshot shows: what it is, and for those
// who may look into it the beginning of what is in it.
type snapshotData struct {
	api.Snapshot

	Folder *folderData
	// Before is the snapshot of the same source before this one, to compare
	// with, "" for none.
	Before string
}

func (s *site) snapshot(r *http.Request) (*page, error) {
	ctx := r.Context()
	sn, err := s.Backend.Snapshot(ctx, r.PathValue("repository"), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d := snapshotData{Snapshot: *sn}
	if me, _ := api.PrincipalOf(ctx); me.Role >= api.RoleOperator {
		if d.Folder, err = s.beginning(r, sn); err != nil {
			return nil, err
		}
		if d.Before, err = s.snapshotBefore(r, sn); err != nil {
			return nil, err
		}
	}
	return &page{Title: "Snapshot " + shortID(sn.ID), Area: "/snapshots", Template: "snapshot.html", Data: d}, nil
}

// snapshotBefore is the one that a person would compare with: of the same
// source, or of the same paths if another program made it.
func (s *site) snapshotBefore(r *http.Request, sn *api.Snapshot) (string, error) {
	found, err := s.Backend.Snapshots(r.Context(), api.SnapshotQuery{
		Repository: sn.Repository, Plan: sn.Plan, Source: sn.Source, Host: sn.Host, After: sn.ID, Limit: snapshotsOfPage,
	})
	if err != nil {
		return "", err
	}
	for _, earlier := range found.Snapshots {
		if sn.Source != "" || slices.Equal(earlier.Paths, sn.Paths) {
			return earlier.ID, nil
		}
	}
	return "", nil
}

func snapshotURL(repository, id string) string {
	return "/snapshots/" + url.PathEscape(repository) + "/" + url.PathEscape(id)
}

// number reads a number of a query that is 0 or more; anything else is 0.
func number(r *http.Request, key string) int {
	n, err := strconv.Atoi(r.FormValue(key))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
