package web

import (
	"errors"
	"net/http"
	"strings"

	"holdfast/internal/api"
)

// archivesData is what the page of archives shows.
type archivesData struct {
	Places []string
	// Place is the one that is looked into, "" for none.
	Place string
	Found *api.Archives
	// Trouble is why it could not be.
	Trouble string
	Config  string
}

func (s *site) archives(r *http.Request) (*page, error) {
	service, err := s.Backend.Service(r.Context())
	if err != nil {
		return nil, err
	}
	d := archivesData{Places: service.ArchivePlaces, Place: r.FormValue("place"), Config: service.Config}
	if d.Place != "" {
		d.Found, err = s.Backend.Archives(r.Context(), d.Place)
		switch {
		case errors.Is(err, api.ErrUnavailable):
			d.Trouble = err.Error()
		case err != nil:
			return nil, err
		}
	}
	return &page{Title: "Archives", Area: "/snapshots", Template: "archives.html", Data: d}, nil
}

func (s *site) checkArchives(r *http.Request) (*done, error) {
	return s.begin(r, &api.ArchiveCheckAct{Place: r.PostFormValue("place"), Name: r.PostFormValue("name")}, "What lies there is being read back.")
}

// archiveData is what is asked before a snapshot is archived.
type archiveData struct {
	Snapshot *api.Snapshot
	Places   []string
	Config   string
	// Recipients and Since are as they were written.
	Recipients, Since string
}

// archivePage asks where to and for whom and, when that is known, shows what
// would be written.
func (s *site) archivePage(r *http.Request) (*page, error) {
	get := r.URL.Query().Get
	q := &api.ArchiveAct{
		Repository: get("repository"), Snapshot: get("snapshot"), Place: get("place"), Recipients: keysOf(get("recipients")),
		Since: get("since"), Restart: get("restart") != "",
	}
	if q.Place == "" || len(q.Recipients) == 0 {
		return s.askArchive(r, q)
	}
	d := actData{
		Above: []step{{"/snapshots", "Snapshots"}, {snapshotURL(q.Repository, q.Snapshot), shortID(q.Snapshot)}}, Title: "Write an archive?",
		Intro: "Neither a repository nor holdfast is needed to get it back: it is a tar, compressed with zstd and encrypted with age.",
		To:    "/archive", Do: "Write the archive", Back: snapshotURL(q.Repository, q.Snapshot),
		Fields: []field{{"repository", q.Repository}, {"snapshot", q.Snapshot}, {"place", q.Place}, {"recipients", strings.Join(q.Recipients, "\n")}, {"since", q.Since}},
	}
	if q.Restart {
		d.Fields = append(d.Fields, field{"restart", "yes"})
	}
	p, err := s.planned(r, q, d)
	if err == nil {
		p.Area = "/snapshots"
	}
	return p, err
}

func (s *site) askArchive(r *http.Request, q *api.ArchiveAct) (*page, error) {
	service, err := s.Backend.Service(r.Context())
	if err != nil {
		return nil, err
	}
	d := archiveData{Places: service.ArchivePlaces, Config: service.Config, Recipients: strings.Join(q.Recipients, "\n"), Since: q.Since}
	if d.Snapshot, err = s.Backend.Snapshot(r.Context(), q.Repository, q.Snapshot); err != nil {
		return nil, err
	}
	return &page{Title: "Archive a snapshot", Area: "/snapshots", Template: "archive.html", Data: d}, nil
}

func (s *site) archive(r *http.Request) (*done, error) {
	get := r.PostFormValue
	return s.begin(r, &api.ArchiveAct{
		Planned: confirmed(r), Repository: get("repository"), Snapshot: get("snapshot"), Place: get("place"),
		Recipients: keysOf(get("recipients")), Since: get("since"), Restart: get("restart") != "",
	}, "The archive is being written.")
}

// keysOf takes apart public keys, one a line.
func keysOf(text string) []string {
	var keys []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			keys = append(keys, line)
		}
	}
	return keys
}
