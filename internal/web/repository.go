package web

import (
	"context"
	"net/http"

	"holdfast/internal/api"
)

// repositoryRoutes are those of snapshots, restores, repositories, restore
// tests and reports.
func (s *site) repositoryRoutes() []route {
	return []route{
		sees("GET /snapshots", api.RoleViewer, s.show(s.snapshots)),
		sees("GET /snapshots/{repository}/{id}", api.RoleViewer, s.show(s.snapshot)),
		sees("GET /snapshots/{repository}/{id}/browse", api.RoleOperator, s.show(s.browse)),
		sees("GET /snapshots/{repository}/{id}/versions", api.RoleOperator, s.show(s.versions)),
		sees("GET /snapshots/{repository}/{id}/download", api.RoleOperator, http.HandlerFunc(s.download)),
		sees("GET /find", api.RoleOperator, s.show(s.find)),
		sees("GET /diff", api.RoleOperator, s.show(s.diff)),
		sees("GET /restore", api.RoleOperator, s.show(s.restore)),
		does("POST /restore", api.RoleOperator, "restore", s.do(s.beginRestore)),
		sees("GET /forget", api.RoleAdmin, s.show(s.forget)),
		does("POST /forget", api.RoleAdmin, "forget", s.do(s.beginForget)),
		sees("GET /repositories", api.RoleViewer, s.show(s.repositories)),
		sees("GET /repositories/{repository}", api.RoleViewer, s.show(s.repository)),
		sees("GET /repositories/{repository}/hold", api.RoleOperator, s.show(s.holdPage)),
		does("POST /repositories/{repository}/hold", api.RoleOperator, "placeHold", s.do(s.placeHold)),
		sees("GET /repositories/{repository}/holds/{id}", api.RoleAdmin, s.show(s.releasePage)),
		does("POST /repositories/{repository}/holds/{id}", api.RoleAdmin, "releaseHold", s.do(s.releaseHold)),
		sees("GET /tests", api.RoleViewer, s.show(s.restoreTests)),
		sees("GET /tests/{repository}/{id}", api.RoleViewer, s.show(s.restoreTest)),
		sees("GET /tests/{repository}/{id}/record", api.RoleViewer, http.HandlerFunc(s.restoreTestRecord)),
		does("POST /tests", api.RoleOperator, "startJob", s.do(s.testNow)),
		sees("GET /plans/{plan}/report", api.RoleViewer, s.show(s.report)),
		sees("GET /plans/{plan}/report.html", api.RoleViewer, http.HandlerFunc(s.reportFile)),
	}
}

// repositoriesData is what the list of repositories shows.
type repositoriesData struct {
	Repositories []repositoryRow
	// Bytes is what all take, Cost what all cost a month for each currency.
	Bytes uint64
	Down  int
}

// repositoryRow is a repository in the list.
type repositoryRow struct {
	api.Repository

	Spark *spark
}

func (s *site) repositories(r *http.Request) (*page, error) {
	all, err := s.Backend.Repositories(r.Context())
	if err != nil {
		return nil, err
	}
	var d repositoriesData
	for _, repo := range all {
		row := repositoryRow{Repository: repo}
		// A line that is missing is no reason to show nothing.
		if growth, err := s.Backend.Growth(r.Context(), repo.Name); err == nil {
			row.Spark = sparkline(growth)
		}
		if repo.Down != "" {
			d.Down++
		}
		d.Bytes += repo.Bytes
		d.Repositories = append(d.Repositories, row)
	}
	return &page{Title: "Repositories", Area: "/repositories", Template: "repositories.html", Data: d}, nil
}

// repositoryData is what the page of a repository shows.
type repositoryData struct {
	api.Repository

	Growth *chart
	Days   *chart
	// Dedup is how many times the repository's size its snapshots hold, 0 for
	// not known.
	Dedup float64
	Holds []api.Hold
	// HoldsError is why holds could not be read.
	HoldsError string
	Failed     []api.Run
	Standings  []placeStanding
	// Bucket tells that it lies in one, which has settings.
	Bucket bool
}

// placeStanding is what a plan would lose if only this repository were left.
type placeStanding struct {
	Plan  string
	Place api.Place
	RPO   *gauge
	RTO   *gauge
}

// runsOfDays is how many days of runs are drawn, and how many runs at most.
const (
	runsOfDays = 30
	maxRuns    = 1000
)

func (s *site) repository(r *http.Request) (*page, error) {
	ctx, name := r.Context(), r.PathValue("repository")
	repo, err := s.Backend.Repository(ctx, name)
	if err != nil {
		return nil, err
	}
	d := repositoryData{Repository: *repo, Holds: repo.Holds, Bucket: isBucket(repo)}
	growth, err := s.Backend.Growth(ctx, name)
	if err != nil {
		return nil, err
	}
	d.Growth = growthChart(name, growth)
	if d.Restored == 0 && repo.Down == "" {
		d.Restored = s.restoredBytes(ctx, name)
	}
	if repo.Bytes > 0 && d.Restored > 0 {
		d.Dedup = float64(d.Restored) / float64(repo.Bytes)
	}
	now := s.now()
	runs, err := s.Backend.Runs(ctx, api.RunQuery{Repository: name, Since: now.AddDate(0, 0, 1-runsOfDays), Limit: maxRuns})
	if err != nil {
		return nil, err
	}
	d.Days = runDays(runs.Runs, now.AddDate(0, 0, 1-runsOfDays), now)
	d.Failed = failedRuns(runs.Runs, 5)
	if repo.Down == "" {
		if d.Holds, err = s.Backend.Holds(ctx, name); err != nil {
			d.Holds, d.HoldsError = repo.Holds, err.Error()
		}
	}
	if d.Standings, err = s.standingsIn(r, repo); err != nil {
		return nil, err
	}
	return &page{Title: name, Area: "/repositories", Template: "repository.html", Data: d}, nil
}

// maxSummed bounds how many snapshots are added up for a page.
const maxSummed = 10_000

// restoredBytes is what all snapshots of a repository hold, by what each of them
// says; 0 if that is not known of one.
func (s *site) restoredBytes(ctx context.Context, repository string) (sum uint64) {
	q := api.SnapshotQuery{Repository: repository, Limit: maxRuns}
	for range maxSummed / maxRuns {
		found, err := s.Backend.Snapshots(ctx, q)
		if err != nil {
			return 0 // the page says elsewhere what does not answer
		}
		for _, sn := range found.Snapshots {
			if sn.Bytes == 0 {
				return 0
			}
			sum += sn.Bytes
		}
		if q.After = found.After; q.After == "" {
			return sum
		}
	}
	return 0
}

// standingsIn tells for each plan that uses a repository how it would stand
// with that one alone.
func (s *site) standingsIn(r *http.Request, repo *api.Repository) ([]placeStanding, error) {
	var all []placeStanding
	for _, name := range repo.Plans {
		plan, err := s.Backend.Plan(r.Context(), name)
		if err != nil {
			return nil, err
		}
		for _, place := range plan.Places {
			if place.Repository == repo.Name {
				all = append(all, placeStanding{name, place, gaugeOf("RPO", place.RPO), gaugeOf("RTO", place.RTO)})
			}
		}
	}
	return all, nil
}

// failedRuns are the first runs that failed. One that was interrupted is begun
// again by itself.
func failedRuns(runs []api.Run, limit int) []api.Run {
	var failed []api.Run
	for _, r := range runs {
		if r.Outcome == "failed" && len(failed) < limit {
			failed = append(failed, r)
		}
	}
	return failed
}
