package console

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/controller"
)

// Repositories implements api.Viewer.
func (c *Console) Repositories(ctx context.Context) ([]api.Repository, error) {
	cfg := c.o.Config()
	jobs, err := c.statuses(ctx)
	if err != nil {
		return nil, err
	}
	c.surveyIfNever(cfg)
	surveys := c.Surveys()
	all := make([]api.Repository, 0, len(cfg.Repositories))
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		all = append(all, c.repositorySeen(cfg, name, jobs, surveys))
	}
	return all, nil
}

// Repository implements api.Viewer.
func (c *Console) Repository(ctx context.Context, name string) (*api.Repository, error) {
	cfg := c.o.Config()
	if _, ok := cfg.Repositories[name]; !ok {
		return nil, fmt.Errorf("%w: there is no repository %q in holdfast.yaml", api.ErrNotFound, name)
	}
	jobs, err := c.statuses(ctx)
	if err != nil {
		return nil, err
	}
	c.surveyIfNever(cfg)
	r := c.repositorySeen(cfg, name, jobs, c.Surveys())
	return &r, nil
}

// repositorySeen puts together what is known of a repository: the newest that
// the surveys of its plans say.
func (c *Console) repositorySeen(cfg *config.Config, name string, jobs []controller.Status, surveys map[string]PlanSurvey) api.Repository {
	from := cfg.Repositories[name]
	r := api.Repository{Name: name, URL: config.WithoutPassword(from.URL), Media: from.Media, Site: from.Site, Plans: c.plansOf(name), Jobs: []api.Job{}}
	if kind, err := app.KindOf(from.URL); err == nil {
		r.Kind = string(kind)
	}
	if r.Plans == nil {
		r.Plans = []string{}
	}
	held := make(map[api.Hold]bool)
	for _, plan := range r.Plans {
		for k := range surveys[plan].Repositories {
			s := &surveys[plan].Repositories[k]
			if s.Name != name {
				continue
			}
			if s.Newest.After(r.Newest) {
				r.Newest = s.Newest
			}
			for _, key := range s.Held {
				held[api.Hold{Plan: key.Plan, Source: key.Source}] = true
			}
			if !s.Seen.Before(r.Seen) {
				r.Seen, r.Down, r.Snapshots, r.Restored = s.Seen, s.Down, s.Snapshots, s.Restored
				r.ImmutableMode, r.ImmutableUntil, r.ReadBack, r.LastError = s.Mode, s.Protected, s.ReadBack, s.Bad
			}
		}
	}
	for h := range held {
		r.Holds = append(r.Holds, h)
	}
	slices.SortFunc(r.Holds, func(a, b api.Hold) int { return compareText(a.Plan, b.Plan, a.Source, b.Source) })
	for k := range jobs {
		if jobs[k].Repository == name && !jobs[k].Once {
			r.Jobs = append(r.Jobs, jobSeen(&jobs[k]))
		}
	}
	slices.SortFunc(r.Jobs, func(a, b api.Job) int { return dueFirst(&a, &b) })
	r.Bytes = c.growth.size(name)
	r.Cost = costOf(from.URL, r.Bytes)
	return r
}

// compareText compares pairs of texts, the first that differ decide.
func compareText(pairs ...string) int {
	for pair := range slices.Chunk(pairs, 2) {
		switch {
		case pair[0] < pair[1]:
			return -1
		case pair[0] > pair[1]:
			return 1
		}
	}
	return 0
}
