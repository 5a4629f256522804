package web

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"holdfast/internal/api"
)

// folderData is a part of a folder of a snapshot, or a file.
type folderData struct {
	api.EntryPage

	// Crumbs lead from the snapshot's root here.
	Crumbs []crumb
	Search string
	Sort   string
	// Columns are the heads of the table, which sort it.
	Columns []column
	// Newer and Older pages; "" for none.
	Back, Next string
	Last       int // the number of the last entry shown
	// File is set when the path is no folder.
	File *api.Entry
}

// crumb is a folder on the way here.
type crumb struct{ Name, URL string }

// column is the head of a column that can be sorted by. Sorted is ascending,
// descending or none, as aria-sort wants it.
type column struct{ Name, URL, Sorted string }

// entriesOfPage is how many entries a page lists.
const entriesOfPage = 200

func (s *site) browse(r *http.Request) (*page, error) {
	d, err := s.whereBrowsed(r)
	if err != nil {
		return nil, err
	}
	return &page{Title: d.Path, Area: "/snapshots", Template: "browse.html", Data: d}, nil
}

// whereBrowsed is the path that a request names, or else where a snapshot
// begins to be of interest.
func (s *site) whereBrowsed(r *http.Request) (*folderData, error) {
	if at := r.FormValue("path"); at != "" {
		return s.folder(r, at)
	}
	sn, err := s.Backend.Snapshot(r.Context(), r.PathValue("repository"), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return s.beginning(r, sn)
}

// beginning is the folder that all of a snapshot is in: nobody wants to click
// through /srv and /srv/data, which have nothing beside it.
func (s *site) beginning(r *http.Request, sn *api.Snapshot) (*folderData, error) {
	if top := commonFolder(sn.Paths); top != "/" {
		// What was backed up under other paths than it is told of begins at
		// the root.
		if d, err := s.folder(r, top); err == nil || !errors.Is(err, api.ErrNotFound) {
			return d, err
		}
	}
	return s.folder(r, "/")
}

// commonFolder is the deepest folder that holds all paths, or the only one.
func commonFolder(paths []string) string {
	if len(paths) == 0 {
		return "/"
	}
	common := strings.Split(path.Clean("/"+paths[0]), "/")
	for _, p := range paths[1:] {
		parts := strings.Split(path.Clean("/"+p), "/")
		k := 0
		for k < min(len(common), len(parts)) && common[k] == parts[k] {
			k++
		}
		common = common[:k]
	}
	return path.Clean("/" + strings.Join(common, "/"))
}

// folder reads the part of a folder that a request is for.
func (s *site) folder(r *http.Request, at string) (*folderData, error) {
	q := api.EntryQuery{
		Repository: r.PathValue("repository"), Snapshot: r.PathValue("id"), Path: at,
		Search: r.FormValue("search"), Sort: r.FormValue("sort"), Offset: number(r, "offset"), Limit: entriesOfPage,
	}
	found, err := s.Backend.Entries(r.Context(), q)
	if err != nil {
		return nil, err
	}
	d := &folderData{EntryPage: *found, Search: q.Search, Sort: q.Sort, Last: found.Offset + len(found.Entries)}
	base := snapshotURL(q.Repository, found.Snapshot.ID) + "/browse"
	d.Crumbs = crumbs(base, found.Path)
	if e := found.Entry; e != nil && e.Kind != "folder" {
		d.File = e
		return d, nil
	}
	to := func(sort string, offset int) string { return folderURL(base, found.Path, q.Search, sort, offset) }
	d.Columns = columns(q.Sort, func(sort string) string { return to(sort, 0) })
	if found.Offset > 0 {
		d.Back = to(q.Sort, max(0, found.Offset-entriesOfPage))
	}
	if d.Last < found.Total {
		d.Next = to(q.Sort, d.Last)
	}
	return d, nil
}

func folderURL(base, at, search, sort string, offset int) string {
	v := url.Values{"path": {at}}
	if search != "" {
		v.Set("search", search)
	}
	if sort != "" {
		v.Set("sort", sort)
	}
	if offset > 0 {
		v.Set("offset", strconv.Itoa(offset))
	}
	return base + "?" + v.Encode()
}

// crumbs lead from the root of a snapshot to a path.
func crumbs(base, to string) []crumb {
	all := []crumb{{"/", folderURL(base, "/", "", "", 0)}}
	at := ""
	for _, name := range strings.Split(strings.Trim(to, "/"), "/") {
		if name == "" {
			continue
		}
		at += "/" + name
		all = append(all, crumb{name, folderURL(base, at, "", "", 0)})
	}
	return all
}

// columns are the heads by which a folder can be sorted; that of the order now
// turns it round.
func columns(sorted string, to func(sort string) string) []column {
	if sorted == "" {
		sorted = "name"
	}
	var all []column
	for _, c := range [...]struct{ name, key, first string }{
		{"Name", "name", "name"}, {"Size", "size", "-size"}, {"Changed", "time", "-time"},
	} {
		head := column{Name: c.name, URL: to(c.first), Sorted: "none"}
		switch sorted {
		case c.key:
			head.Sorted, head.URL = "ascending", to("-"+c.key)
		case "-" + c.key:
			head.Sorted, head.URL = "descending", to(c.key)
		}
		all = append(all, head)
	}
	return all
}
