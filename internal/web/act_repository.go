package web

import (
	"net/http"
	"strings"

	"holdfast/internal/api"
)

// locksData is what the page of locks shows.
type locksData struct {
	Repository string
	Locks      []api.Lock
	Stale      int
}

func (s *site) locks(r *http.Request) (*page, error) {
	d := locksData{Repository: r.PathValue("repository")}
	var err error
	if d.Locks, err = s.Backend.Locks(r.Context(), d.Repository); err != nil {
		return nil, err
	}
	for _, l := range d.Locks {
		if l.Stale {
			d.Stale++
		}
	}
	return &page{Title: "Locks of " + d.Repository, Area: "/repositories", Template: "locks.html", Data: d}, nil
}

func (s *site) unlockPage(r *http.Request) (*page, error) {
	name := r.PathValue("repository")
	return s.planned(r, &api.UnlockAct{Repository: name}, actData{
		Above: append(aboveOf(name), step{string(link("repositories", name, "locks")), "Locks"}), Title: "Remove locks that were left behind?",
		Intro:   "A lock of a program that was killed keeps others waiting for half an hour. Only locks whose holders are certainly gone are removed.",
		Nothing: "No lock is of a program that is gone.",
		To:      r.URL.EscapedPath(), Do: "Remove these locks", Danger: true, Back: string(link("repositories", name, "locks")),
	})
}

func (s *site) unlock(r *http.Request) (*done, error) {
	return s.begin(r, &api.UnlockAct{Planned: confirmed(r), Repository: r.PathValue("repository")}, "The locks are being removed.")
}

func (s *site) prunePage(r *http.Request) (*page, error) {
	name := r.PathValue("repository")
	return s.planned(r, &api.PruneAct{Repository: name}, actData{
		Above: aboveOf(name), Title: "Free space?",
		Intro:   "Data that no snapshot needs any more is removed. Packs that are partly of use are written anew. Backups may go on meanwhile.",
		Nothing: "There is nothing to free: so little is of no use that rewriting it would cost more than it brings.",
		To:      r.URL.EscapedPath(), Do: "Free the space", Danger: true, Back: repositoryURL(name),
	})
}

func (s *site) prune(r *http.Request) (*done, error) {
	return s.begin(r, &api.PruneAct{Planned: confirmed(r), Repository: r.PathValue("repository")}, "Space is being freed.")
}

func (s *site) check(r *http.Request) (*done, error) {
	return s.begin(r, &api.CheckAct{Repository: r.PathValue("repository"), Read: r.PostFormValue("read")}, "The repository is being checked. Backups may go on meanwhile.")
}

// usageData is what the page of a count shows.
type usageData struct {
	Query api.UsageQuery
	Modes []choice
	// Usage is what was counted, nil before anybody asked.
	Usage *api.Usage
	// Saved is how much smaller compression made it, in percent.
	Saved float64
	Costs []api.CopyCost
}

func (s *site) usage(r *http.Request) (*page, error) {
	d := usageData{
		Query: api.UsageQuery{Repository: r.PathValue("repository"), Snapshot: r.FormValue("snapshot"), Mode: r.FormValue("mode")},
		Modes: []choice{
			{"restore-size", "everything, as it is restored"},
			{"files-by-contents", "files that differ, each once"},
			{"raw-data", "what the repository stores for it"},
		},
	}
	repo, err := s.Backend.Repository(r.Context(), d.Query.Repository)
	if err != nil {
		return nil, err
	}
	if d.Query.Mode != "" {
		if d.Usage, err = s.Backend.Usage(r.Context(), d.Query); err != nil {
			return nil, err
		}
		if all := float64(d.Usage.UncompressedBytes); all > 0 {
			d.Saved = 100 * (1 - float64(d.Usage.Bytes)/all)
		}
		if isBucket(repo) {
			if d.Costs, err = s.Backend.Costs(r.Context(), repo.Name); err != nil {
				return nil, err
			}
		}
	}
	return &page{Title: "What " + repo.Name + " takes up", Area: "/repositories", Template: "usage.html", Data: d}, nil
}

// isBucket tells whether a repository lies in a bucket of an object store.
func isBucket(r *api.Repository) bool { return r.Kind == "s3" || r.Kind == "azure" || r.Kind == "gs" }

// storageData is what the page of a bucket's settings shows.
type storageData struct {
	Repository *api.Repository
	// Settings are nil where there is no bucket.
	Settings *api.StorageSettings
	// Roles are those that a policy can be asked for.
	Roles []string
}

func (s *site) storage(r *http.Request) (*page, error) {
	repo, err := s.Backend.Repository(r.Context(), r.PathValue("repository"))
	if err != nil {
		return nil, err
	}
	d := storageData{Repository: repo, Roles: []string{"backup", "restore", "upkeep", "admin"}}
	if isBucket(repo) {
		if d.Settings, err = s.Backend.StorageSettings(r.Context(), repo.Name); err != nil {
			return nil, err
		}
	}
	return &page{Title: "Bucket of " + repo.Name, Area: "/repositories", Template: "storage.html", Data: d}, nil
}

func (s *site) checkStorage(r *http.Request) (*done, error) {
	return s.begin(r, &api.StorageCheckAct{Repository: r.PathValue("repository"), Probe: r.PostFormValue("probe") != ""},
		"It is being found out what the bucket would do to the repository in it.")
}

func (s *site) applyPage(r *http.Request) (*page, error) {
	name := r.PathValue("repository")
	back := string(link("repositories", name, "storage"))
	return s.planned(r, &api.StorageAct{Repository: name}, actData{
		Above: append(aboveOf(name), step{back, "Bucket"}), Title: "Set up the bucket?",
		Intro:   "This is set at the service, and read back from it. Rules of others are never touched.",
		Nothing: "The bucket is set up as holdfast.yaml wants it.",
		To:      r.URL.EscapedPath(), Do: "Set up the bucket", Danger: true, Back: back,
	})
}

func (s *site) apply(r *http.Request) (*done, error) {
	return s.begin(r, &api.StorageAct{Planned: confirmed(r), Repository: r.PathValue("repository")}, "The bucket is being set up.")
}

// tagData is what is asked before tags change.
type tagData struct {
	Repository string
	Snapshots  []api.Snapshot
}

// tagPage asks for tags and, when it has some, shows what would change.
func (s *site) tagPage(r *http.Request) (*page, error) {
	query := r.URL.Query()
	q := &api.TagAct{Repository: query.Get("repository"), Snapshots: query["id"], Add: words(query["add"]), Remove: words(query["remove"])}
	if len(q.Add)+len(q.Remove) == 0 || len(q.Snapshots) == 0 {
		return s.askTags(r, q)
	}
	d := actData{
		Above: []step{{"/snapshots", "Snapshots"}, {string(link("snapshots", "?", "repository", q.Repository)), q.Repository}}, Title: "Change the tags?",
		Nothing: "The snapshots have these tags already.", To: "/tag", Do: "Change the tags", Back: string(link("snapshots", "?", "repository", q.Repository)),
		Fields: []field{{"repository", q.Repository}},
	}
	for name, values := range map[string][]string{"id": q.Snapshots, "add": q.Add, "remove": q.Remove} {
		for _, value := range values {
			d.Fields = append(d.Fields, field{name, value})
		}
	}
	p, err := s.planned(r, q, d)
	if err == nil {
		p.Area = "/snapshots"
	}
	return p, err
}

func (s *site) askTags(r *http.Request, q *api.TagAct) (*page, error) {
	d := tagData{Repository: q.Repository}
	for _, id := range q.Snapshots {
		sn, err := s.Backend.Snapshot(r.Context(), q.Repository, id)
		if err != nil {
			return nil, err
		}
		d.Snapshots = append(d.Snapshots, *sn)
	}
	return &page{Title: "Change tags", Area: "/snapshots", Template: "tag.html", Data: d}, nil
}

func (s *site) tag(r *http.Request) (*done, error) {
	if err := form(r); err != nil {
		return nil, err
	}
	return s.begin(r, &api.TagAct{
		Planned: confirmed(r), Repository: r.PostForm.Get("repository"), Snapshots: r.PostForm["id"], Add: r.PostForm["add"], Remove: r.PostForm["remove"],
	}, "The tags are being changed.")
}

// words takes apart what a person wrote into fields: tags with commas between.
func words(fields []string) []string {
	var all []string
	for _, text := range fields {
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				all = append(all, word)
			}
		}
	}
	return all
}
