package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// usualRuns and mostRuns are how many runs are on a page, if nobody says, and
// at most.
const (
	usualRuns = 50
	mostRuns  = 1000
)

// Runs implements api.Viewer. Those that go on come first, on the first page.
func (c *Console) Runs(ctx context.Context, q api.RunQuery) (*api.RunPage, error) {
	if q.Limit <= 0 {
		q.Limit = usualRuns
	}
	q.Limit = min(q.Limit, mostRuns)
	if err := mustBeKnown(&q); err != nil {
		return nil, err
	}
	page := &api.RunPage{Runs: []api.Run{}}
	if q.After == "" && (q.Outcome == "" || q.Outcome == api.Running) && q.Until.IsZero() {
		going, err := c.running(ctx)
		if err != nil {
			return nil, err
		}
		for k := range going {
			if isMeant(&q, &going[k]) {
				page.Runs = append(page.Runs, going[k])
			}
		}
	}
	if q.Outcome == api.Running {
		return page, nil
	}
	ended, err := c.o.History.Select(history.Filter{
		Plan: q.Plan, Repository: q.Repository, Job: history.Job(q.Job), Outcome: history.Outcome(q.Outcome), Since: q.Since, Until: q.Until, After: q.After, Limit: q.Limit,
	})
	if errors.Is(err, history.ErrNoRun) {
		return nil, fmt.Errorf("%w: there is no run %q to go on from", api.ErrInvalid, q.After)
	}
	if err = c.passDamage(err); err != nil {
		return nil, err
	}
	if len(ended) == q.Limit {
		page.After = ended[len(ended)-1].ID
	}
	for k := range ended {
		r := c.runOf(&ended[k])
		page.Runs = slices.DeleteFunc(page.Runs, func(other api.Run) bool { return other.ID == r.ID }) // it has just ended
		page.Runs = append(page.Runs, r)
	}
	return page, nil
}

// mustBeKnown refuses a job or an outcome that no run can have: a word that is
// misspelt would show that there are none.
func mustBeKnown(q *api.RunQuery) error {
	outcomes := append([]history.Outcome{api.Running}, history.Outcomes()...)
	if q.Outcome != "" && !slices.Contains(outcomes, history.Outcome(q.Outcome)) {
		return fmt.Errorf("%w: outcome %q is not known: there are %s", api.ErrInvalid, q.Outcome, listed(outcomes))
	}
	if q.Job != "" && !slices.Contains(history.Jobs(), history.Job(q.Job)) {
		return fmt.Errorf("%w: job %q is not known: there are %s", api.ErrInvalid, q.Job, listed(history.Jobs()))
	}
	return nil
}

func listed[T ~string](words []T) string {
	texts := make([]string, len(words))
	for n, word := range words {
		texts[n] = string(word)
	}
	return strings.Join(texts, ", ")
}

// isMeant tells whether a query means a run that goes on.
func isMeant(q *api.RunQuery, r *api.Run) bool {
	return (q.Plan == "" || q.Plan == r.Plan) && (q.Repository == "" || q.Repository == r.Repository) &&
		(q.Job == "" || q.Job == r.Job) && (q.Since.IsZero() || !r.Started.Before(q.Since))
}

// passDamage lets what can be read be shown, and tells the log of the rest.
func (c *Console) passDamage(err error) error {
	if errors.Is(err, history.ErrDamaged) {
		c.o.Log.Warn("the history is damaged", "error", err)
		return nil
	}
	return err
}

// running returns the runs that go on or wait to, the newest first.
func (c *Console) running(ctx context.Context) ([]api.Run, error) {
	all, err := c.statuses(ctx)
	if err != nil {
		return nil, err
	}
	var going []api.Run
	for k := range all {
		s := &all[k]
		switch {
		case s.Running != nil:
			going = append(going, c.goingOn(s, s.Running))
		case s.Wanted != nil:
			r := c.goingOn(s, s.Wanted)
			r.Reason, r.HasLog = "it waits: "+s.Waiting, false
			going = append(going, r)
		}
	}
	slices.SortFunc(going, func(a, b api.Run) int { return cmp.Compare(b.ID, a.ID) })
	return going, nil
}

// goingOn is a run of the controller.
func (c *Console) goingOn(s *controller.Status, r *controller.Run) api.Run {
	return api.Run{
		ID: r.ID, Job: string(cmp.Or(r.Kind, s.Kind)), Plan: cmp.Or(r.Plan, s.Plan), Source: r.Source, Repository: cmp.Or(r.Repository, s.Repository),
		Type: r.Variant, Trigger: string(r.Trigger), By: r.By, Due: r.Due, Started: r.Started, Attempt: r.Attempt,
		Outcome: api.Running, HasLog: true, Progress: c.progressOf(r.ID),
	}
}

// Run implements api.Viewer.
func (c *Console) Run(ctx context.Context, id string) (*api.Run, error) {
	ended, err := c.o.History.Get(id)
	if err == nil {
		r := c.runOf(ended)
		return &r, nil
	}
	if !errors.Is(err, history.ErrNoRun) {
		return nil, err
	}
	going, err := c.running(ctx)
	if err != nil {
		return nil, err
	}
	for k := range going {
		if going[k].ID == id {
			return &going[k], nil
		}
	}
	if ended, err := c.o.History.Get(id); err == nil { // it ended just now
		r := c.runOf(ended)
		return &r, nil
	}
	return nil, fmt.Errorf("%w: there is no run %q", api.ErrNotFound, id)
}

// runOf is a run of the history.
func (c *Console) runOf(h *history.Run) api.Run {
	r := api.Run{
		ID: h.ID, Job: string(h.Job), Plan: h.Plan, Source: h.Source, Repository: h.Repository, Type: h.Type, Trigger: string(h.Trigger), By: h.By,
		Due: h.Due, Started: h.Started, Ended: h.Ended, Attempt: h.Attempt, Outcome: string(h.Outcome), Reason: h.Reason, Next: nextStep(h),
		Bytes: h.Bytes, Added: h.Added, Files: h.Files, Snapshots: h.Snapshots, Figures: h.Figures,
	}
	for _, p := range h.Phases {
		r.Phases = append(r.Phases, api.Phase{Name: p.Name, Started: p.Started, Took: p.Took.Seconds(), Error: p.Error})
	}
	if path, ok := c.logPath(h.ID); ok {
		_, err := os.Stat(path)
		r.HasLog = err == nil
	}
	return r
}

// logPath is where the log of a run is; false for what is no ID.
func (c *Console) logPath(id string) (string, bool) {
	if id == "" || strings.Trim(id, "0123456789abcdef-") != "" {
		return "", false
	}
	return filepath.Join(c.o.LogsDir, id+".log"), true
}

// maxLogPart bounds what one call returns of a log: all that there can be.
const maxLogPart = 2 << 20

// RunLog implements api.Viewer.
func (c *Console) RunLog(_ context.Context, id string, offset int64, w io.Writer) (int64, error) {
	path, ok := c.logPath(id)
	if !ok {
		return 0, fmt.Errorf("%w: there is no run %q", api.ErrNotFound, id)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: there is no log of run %s; logs are kept as long as service.history says", api.ErrNotFound, id)
	}
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // it is only read
	if info, err := f.Stat(); err != nil || offset < 0 || offset > info.Size() {
		return 0, errors.Join(err, fmt.Errorf("%w: the log is not that long", api.ErrInvalid))
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(f, maxLogPart))
	return offset + n, err
}
