package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"holdfast/internal/api"
)

// A comparison is read to its end to count what differs, of which a page shows
// a part.
const (
	differencesOfPage = 500
	diffFor           = 30 * time.Second
)

// diffData is what differs between two snapshots.
type diffData struct {
	From, To    api.Snapshot
	Path        string
	Change      string // only these
	Kinds       []changeCount
	Differences []api.Difference
	// Matching is how many differences there are of this kind.
	Matching, Offset, Last int
	Slow                   bool
	Back, Next             string
	Growth                 string // what came and went in all, in words
}

// changeCount is how many differences there are of a kind.
type changeCount struct {
	Change, URL string
	Count       int
}

func (s *site) diff(r *http.Request) (*page, error) {
	from, to, err := s.twoSnapshots(r)
	if err != nil {
		return nil, err
	}
	d := diffData{From: *from, To: *to, Path: r.FormValue("path"), Change: r.FormValue("change"), Offset: number(r, "offset")}
	ctx, cancel := context.WithTimeout(r.Context(), diffFor)
	defer cancel()
	counts := make(map[string]int)
	var came, went uint64
	err = s.Backend.Diff(ctx, api.DiffQuery{Repository: from.Repository, From: from.ID, To: to.ID, Path: d.Path}, func(f api.Difference) error {
		counts[f.Change]++
		came, went = came+f.After, went+f.Before
		if d.Change != "" && f.Change != d.Change {
			return nil
		}
		if d.Matching >= d.Offset && len(d.Differences) < differencesOfPage {
			d.Differences = append(d.Differences, f)
		}
		d.Matching++
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil && r.Context().Err() == nil:
		d.Slow = true
	case err != nil:
		return nil, err
	}
	d.link(counts)
	d.Growth = fmt.Sprintf("What differs takes %s in the newer one and took %s in the older one.", formatBytes(came), formatBytes(went))
	return &page{Title: "Compare snapshots", Area: "/snapshots", Template: "diff.html", Data: &d}, nil
}

// link makes the URLs to what is not shown.
func (d *diffData) link(counts map[string]int) {
	d.Last = d.Offset + len(d.Differences)
	for _, change := range []string{"added", "removed", "changed", "type", "metadata", "damage"} {
		if n := counts[change]; n > 0 {
			d.Kinds = append(d.Kinds, changeCount{change, d.url(change, 0), n})
		}
	}
	if d.Offset > 0 {
		d.Back = d.url(d.Change, max(0, d.Offset-differencesOfPage))
	}
	if d.Last < d.Matching {
		d.Next = d.url(d.Change, d.Last)
	}
}

// All is the URL of the comparison with every kind of difference.
func (d *diffData) All() string { return d.url("", 0) }

func (d *diffData) url(change string, offset int) string {
	v := url.Values{"repository": {d.From.Repository}, "from": {d.From.ID}, "to": {d.To.ID}}
	if d.Path != "" {
		v.Set("path", d.Path)
	}
	if change != "" {
		v.Set("change", change)
	}
	if offset > 0 {
		v.Set("offset", strconv.Itoa(offset))
	}
	return "/diff?" + v.Encode()
}

// twoSnapshots are those that were named, or the two that were picked from the
// list, the older first.
func (s *site) twoSnapshots(r *http.Request) (from, to *api.Snapshot, err error) {
	query := r.URL.Query()
	ids := []string{query.Get("from"), query.Get("to")}
	picked := ids[0] == "" && ids[1] == ""
	if picked {
		ids = query["id"]
	}
	if len(ids) != 2 || ids[0] == "" || ids[1] == "" {
		return nil, nil, fmt.Errorf("%w: to compare, pick two snapshots; %d are picked", api.ErrInvalid, len(query["id"]))
	}
	if from, err = s.Backend.Snapshot(r.Context(), query.Get("repository"), ids[0]); err != nil {
		return nil, nil, err
	}
	if to, err = s.Backend.Snapshot(r.Context(), query.Get("repository"), ids[1]); err != nil {
		return nil, nil, err
	}
	if picked && from.Time.After(to.Time) {
		from, to = to, from
	}
	return from, to, nil
}
