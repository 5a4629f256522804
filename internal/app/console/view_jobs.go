package console

import (
	"cmp"
	"context"
	"slices"

	"holdfast/internal/api"
	"holdfast/internal/controller"
)

// Jobs implements api.Viewer.
func (c *Console) Jobs(ctx context.Context) ([]api.Job, error) {
	all, err := c.statuses(ctx)
	if err != nil {
		return nil, err
	}
	jobs := make([]api.Job, 0, len(all))
	for k := range all {
		if !all[k].Once {
			jobs = append(jobs, jobSeen(&all[k]))
		}
	}
	slices.SortFunc(jobs, func(a, b api.Job) int { return dueFirst(&a, &b) })
	return jobs, nil
}

// dueFirst orders jobs: the next that is due comes first, and what no schedule
// makes due last.
func dueFirst(a, b *api.Job) int {
	if a.Next.IsZero() != b.Next.IsZero() {
		if a.Next.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Job, b.Job))
}

func jobSeen(s *controller.Status) api.Job {
	j := api.Job{
		Job: s.Job, Kind: string(s.Kind), Plan: s.Plan, Repository: s.Repository, Types: s.Types,
		Next: s.Next, NextType: s.NextVariant, Waiting: s.Waiting,
	}
	if s.Running != nil {
		j.Running = s.Running.ID
	}
	if s.Last != nil {
		j.LastOutcome, j.Last, j.LastRun = string(s.Last.Outcome), s.Last.At, s.Last.ID
	}
	if s.LastGood != nil {
		j.LastGood = s.LastGood.At
	}
	return j
}
