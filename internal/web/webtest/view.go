package webtest

import (
	"context"
	"fmt"
	"io"

	"holdfast/internal/api"
	"holdfast/internal/event"
)

// Service implements api.Viewer.
func (b *Backend) Service(context.Context) (*api.Service, error) { return &b.Info, b.Fail }

// Plans implements api.Viewer.
func (b *Backend) Plans(context.Context) ([]api.Plan, error) { return b.AllPlans, b.Fail }

// Plan implements api.Viewer.
func (b *Backend) Plan(_ context.Context, name string) (*api.Plan, error) {
	for k := range b.AllPlans {
		if b.AllPlans[k].Name == name {
			return &b.AllPlans[k], b.Fail
		}
	}
	return nil, b.missing("plan", name)
}

func (b *Backend) missing(what, name string) error {
	if b.Fail != nil {
		return b.Fail
	}
	return fmt.Errorf("%s %q: %w", what, name, api.ErrNotFound)
}

// Jobs implements api.Viewer.
func (b *Backend) Jobs(context.Context) ([]api.Job, error) {
	var jobs []api.Job
	for k := range b.AllPlans {
		jobs = append(jobs, b.AllPlans[k].Jobs...)
	}
	return jobs, b.Fail
}

// Runs implements api.Viewer.
func (b *Backend) Runs(_ context.Context, q api.RunQuery) (*api.RunPage, error) {
	if b.Fail != nil {
		return nil, b.Fail
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	limit, page, skip := q.Limit, &api.RunPage{}, q.After != ""
	if limit == 0 {
		limit = 1000
	}
	for _, r := range b.AllRuns {
		switch {
		case skip:
			skip = r.ID != q.After
		case q.Plan != "" && q.Plan != r.Plan, q.Repository != "" && q.Repository != r.Repository,
			q.Job != "" && q.Job != r.Job, q.Outcome != "" && q.Outcome != r.Outcome,
			!q.Since.IsZero() && r.Started.Before(q.Since), !q.Until.IsZero() && r.Started.After(q.Until):
		case len(page.Runs) == limit:
			page.After = page.Runs[limit-1].ID
			return page, nil
		default:
			page.Runs = append(page.Runs, r)
		}
	}
	return page, nil
}

// Run implements api.Viewer.
func (b *Backend) Run(_ context.Context, id string) (*api.Run, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.AllRuns {
		if r.ID == id {
			return &r, b.Fail
		}
	}
	return nil, b.missing("run", id)
}

// RunLog implements api.Viewer.
func (b *Backend) RunLog(_ context.Context, id string, offset int64, w io.Writer) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, ok := b.Logs[id]
	if !ok || b.Fail != nil {
		return 0, b.missing("log of run", id)
	}
	if offset < int64(len(text)) {
		if _, err := io.WriteString(w, text[offset:]); err != nil {
			return offset, err
		}
	}
	return int64(len(text)), nil
}

// AddLog appends to the log of a run.
func (b *Backend) AddLog(id, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Logs[id] += text
}

// Events implements api.Viewer.
func (b *Backend) Events(_ context.Context, q api.EventQuery) ([]event.Event, error) {
	var found []event.Event
	for _, e := range b.History {
		if (q.Plan == "" || q.Plan == e.Plan) && (q.Repository == "" || q.Repository == e.Repository) && (q.Kind == "" || q.Kind == string(e.Kind)) &&
			e.Severity >= q.MinSeverity && (q.Since.IsZero() || !e.Time.Before(q.Since)) && (q.Until.IsZero() || !e.Time.After(q.Until)) && (q.Limit == 0 || len(found) < q.Limit) {
			found = append(found, e)
		}
	}
	return found, b.Fail
}

// Problems implements api.Viewer.
func (b *Backend) Problems(context.Context) ([]event.Event, error) { return b.Open, b.Fail }

// Repositories implements api.Viewer.
func (b *Backend) Repositories(context.Context) ([]api.Repository, error) { return b.Repos, b.Fail }

// Repository implements api.Viewer.
func (b *Backend) Repository(_ context.Context, name string) (*api.Repository, error) {
	for k := range b.Repos {
		if b.Repos[k].Name == name {
			return &b.Repos[k], b.Fail
		}
	}
	return nil, b.missing("repository", name)
}

// Growth implements api.Viewer.
func (b *Backend) Growth(_ context.Context, repository string) ([]api.GrowthPoint, error) {
	return b.Sizes[repository], b.Fail
}

// RestoreTests implements api.Viewer.
func (b *Backend) RestoreTests(_ context.Context, q api.RestoreTestQuery) (*api.RestoreTestPage, error) {
	page := &api.RestoreTestPage{}
	for k := range b.Repos {
		if e, err := b.Evidence(context.Background(), b.Repos[k].Name); err == nil {
			page.Evidence = append(page.Evidence, e.EvidenceVerdict)
		}
	}
	for _, t := range b.AllTests {
		if (q.Plan == "" || q.Plan == t.Plan) && (q.Source == "" || q.Source == t.Source) && (q.Repository == "" || q.Repository == t.Repository) && (q.Limit == 0 || len(page.Tests) < q.Limit) {
			page.Tests = append(page.Tests, t)
		}
	}
	return page, b.Fail
}

// RestoreTest implements api.Viewer.
func (b *Backend) RestoreTest(_ context.Context, repository, id string) (*api.RestoreTest, error) {
	for k := range b.AllTests {
		if t := &b.AllTests[k]; t.Repository == repository && t.ID == id {
			return t, b.Fail
		}
	}
	return nil, b.missing("restore test", id)
}

// Report implements api.Viewer.
func (b *Backend) Report(ctx context.Context, plan string, m api.Month) (*api.Report, error) {
	p, err := b.Plan(ctx, plan)
	if err != nil {
		return nil, err
	}
	r := api.Report{}
	if b.Reported != nil {
		r = *b.Reported
	}
	r.Plan, r.Month = *p, m
	return &r, nil
}

// Subscribe implements api.Viewer.
func (b *Backend) Subscribe(ctx context.Context, changed func(api.Update)) error {
	b.mu.Lock()
	if b.subs == nil {
		b.subs = make(map[int]func(api.Update))
	}
	id := b.next
	b.next++
	b.subs[id] = changed
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, id)
	return ctx.Err()
}
