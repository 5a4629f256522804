package console

import (
	"cmp"
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/objective"
)

// PlanRestore implements api.Operator. Nothing is written.
func (c *Console) PlanRestore(ctx context.Context, q api.RestoreRequest) (*api.RestorePlan, error) {
	p, _, err := c.planRestore(ctx, q)
	return p, err
}

// Restore implements api.Operator: it begins what PlanRestore planned, as long
// as the plan is still the same.
func (c *Console) Restore(ctx context.Context, q api.RestoreRequest) (string, error) {
	p, work, err := c.planRestore(ctx, q)
	if err != nil {
		return "", err
	}
	switch {
	case p.Refused != "":
		return "", &api.HereError{Why: p.Refused, Command: p.Command}
	case !hmac.Equal([]byte(q.Confirm), []byte(p.Confirm)):
		return "", fmt.Errorf("%w: what would be done is not what was shown; look at it again, and confirm that", api.ErrConflict)
	}
	if err := makeRestores(work.below); err != nil {
		return "", err
	}
	return c.ask(ctx, work.asked)
}

// restoring is the work of a restore that writes below a folder for restores.
type restoring struct {
	asked

	below string
}

// recovery is what is restored: a snapshot, or a database to a point in time.
type recovery struct {
	plan, source, repository string
	snapshot                 *api.Snapshot
	// database says that it is done by recovery, up to time or as far as the
	// log leads.
	database bool
	time     time.Time
	bytes    uint64
}

// planRestore finds out what a restore would do, and returns the work that
// does it.
func (c *Console) planRestore(ctx context.Context, q api.RestoreRequest) (*api.RestorePlan, *restoring, error) {
	q.Overwrite = cmp.Or(q.Overwrite, "never")
	if !slices.Contains([]string{"always", "if-changed", "if-newer", "never"}, q.Overwrite) {
		return nil, nil, fmt.Errorf("%w: overwrite is always, if-changed, if-newer or never", api.ErrInvalid)
	}
	r, err := c.findRecovery(ctx, &q)
	if err != nil {
		return nil, nil, err
	}
	p := &api.RestorePlan{Snapshot: r.snapshot, Recovery: r.time, Bytes: r.bytes}
	if !r.database {
		extent, err := c.Extent(ctx, r.repository, r.snapshot.ID, q.Paths)
		if err != nil {
			return nil, nil, err
		}
		p.Files, p.Bytes = extent.Files, extent.Bytes
	}
	at, refused, err := c.chooseTarget(&q, r, p)
	if err != nil {
		return nil, nil, err
	}
	shown, err := restoreArgs(&q, r, "--target", q.Target)
	if err != nil {
		return nil, nil, err
	}
	args, err := restoreArgs(&q, r, "--target", at.target, "--below", at.below)
	if err != nil {
		return nil, nil, err
	}
	if r.database && refused == "" {
		if err := c.foretell(ctx, args, p); err != nil {
			return nil, nil, err
		}
	}
	if refused == "" && !r.database {
		if err := c.findExisting(ctx, args, p); err != nil {
			refused = "it is not known what is in " + q.Target + ": " + err.Error()
		}
	}
	p.Request, p.Command, p.Refused = q, c.command(shown...), refused
	p.Seconds = c.forecast(r, p.Bytes)
	p.Confirm = c.confirmation(p)
	return p, &restoring{asked{kind: history.Restore, plan: r.plan, source: r.source, repository: r.repository, mode: controller.Reads, args: args}, at.below}, nil
}

// findRecovery finds what the request means, and writes it down in it, so that
// the same is meant when it comes again.
func (c *Console) findRecovery(ctx context.Context, q *api.RestoreRequest) (*recovery, error) {
	cfg := c.o.Config()
	plan, known := cfg.Plans[q.Plan]
	switch {
	case q.Plan != "" && !known:
		return nil, noPlan(q.Plan)
	case q.Snapshot == "" && q.Plan == "":
		return nil, fmt.Errorf("%w: name a snapshot with its repository, or a plan", api.ErrInvalid)
	case q.Snapshot != "" && !q.Time.IsZero():
		return nil, fmt.Errorf("%w: a snapshot is of one time; leave the time out, or the snapshot", api.ErrInvalid)
	}
	if q.Source == "" && q.Snapshot == "" && len(plan.Sources) == 1 {
		q.Source = plan.Sources[0]
	}
	if q.Repository == "" && q.Snapshot == "" && isRecovered(cfg.Sources[q.Source]) {
		q.Repository = c.bestLog(&plan, q)
	}
	q.Repository = cmp.Or(q.Repository, plan.Repository)
	if _, ok := cfg.Repositories[q.Repository]; !ok {
		return nil, fmt.Errorf("%w: there is no repository %q in holdfast.yaml", api.ErrNotFound, q.Repository)
	}
	if q.Snapshot != "" {
		s, err := c.Snapshot(ctx, q.Repository, q.Snapshot)
		if err != nil {
			return nil, err
		}
		q.Snapshot, q.Plan, q.Source = s.ID, s.Plan, s.Source
		r := &recovery{plan: s.Plan, source: s.Source, repository: q.Repository, snapshot: s, time: s.Time}
		// The files of a base backup are no database before it is recovered.
		_, known := cfg.Plans[s.Plan]
		r.database = known && len(q.Paths) == 0 && isRecovered(cfg.Sources[s.Source])
		r.bytes = s.Bytes
		return r, nil
	}
	if !slices.Contains(plan.Sources, q.Source) {
		return nil, fmt.Errorf("%w: name a source of plan %s: %s", api.ErrInvalid, q.Plan, strings.Join(plan.Sources, ", "))
	}
	if q.Time.After(time.Now()) {
		return nil, fmt.Errorf("%w: %s is not yet; a restore goes back in time", api.ErrInvalid, q.Time.Local().Format(time.DateTime))
	}
	if isRecovered(cfg.Sources[q.Source]) {
		return c.findDatabase(q)
	}
	at := q.Time
	if at.IsZero() {
		at = time.Now()
	}
	s, err := c.SnapshotAt(ctx, q.Repository, q.Plan, q.Source, at)
	if err != nil {
		return nil, err
	}
	q.Snapshot, q.Time = s.ID, time.Time{}
	return &recovery{plan: q.Plan, source: q.Source, repository: q.Repository, snapshot: s, time: s.Time}, nil
}

// isRecovered tells whether a source is a database that is restored from a base
// backup and its log.
func isRecovered(s config.Source) bool {
	return s.Postgres != nil && s.Postgres.Method != config.MethodDump
}

// bestLog returns the repository from which a database is best restored to what
// is asked for: of those whose log leads there the first of the plan; for the
// newest there is, the one whose log leads farthest. One that answers goes
// before one that does not. It is "" if none is known to lead there.
func (c *Console) bestLog(plan *config.Plan, q *api.RestoreRequest) string {
	survey := c.Surveys()[q.Plan]
	var best string
	var bestDown bool
	var bestTo time.Time
	for _, name := range plan.Repositories() {
		log := survey.logOf(q.Source, name)
		if log == nil || !q.Time.IsZero() && !log.Covers(q.Time) {
			continue
		}
		down := survey.isDown(name)
		if best == "" || bestDown && !down || bestDown == down && q.Time.IsZero() && log.To.After(bestTo) {
			best, bestDown, bestTo = name, down, log.To
		}
	}
	return best
}

// findDatabase is findRecovery for a database that is recovered by its log.
func (c *Console) findDatabase(q *api.RestoreRequest) (*recovery, error) {
	if len(q.Paths) > 0 {
		return nil, fmt.Errorf("%w: a database is restored as a whole; name a snapshot to restore some of its files", api.ErrInvalid)
	}
	r := &recovery{plan: q.Plan, source: q.Source, repository: q.Repository, database: true, time: q.Time}
	survey := c.Surveys()[q.Plan]
	for _, s := range survey.Sources {
		if WithoutHost(s.Source) != q.Source {
			continue
		}
		r.bytes = max(r.bytes, s.Bytes)
		if q.Time.IsZero() {
			r.time = s.Newest
		}
	}
	if log := survey.logOf(q.Source, q.Repository); log != nil && q.Time.IsZero() && !log.To.IsZero() {
		r.time = log.To
	}
	return r, nil
}

// restoreArgs are the arguments of the command that does it, with those that
// say where to.
func restoreArgs(q *api.RestoreRequest, r *recovery, target ...string) ([]string, error) {
	if r.database {
		args := []string{"restore", "--repo", r.repository, "--plan", r.plan, "--source", r.source}
		switch {
		case r.snapshot != nil:
			args = append(args, "--backup", r.snapshot.ID, "--to-backup-end")
		case !q.Time.IsZero():
			args = append(args, "--to-time", q.Time.UTC().Format("2006-01-02 15:04:05.999999-07:00"))
		}
		return append(args, target...), nil
	}
	args := append([]string{"restore", r.snapshot.ID, "--repo", r.repository, "--overwrite", q.Overwrite}, target...)
	for _, text := range q.Paths {
		raw, err := api.PathOf(text)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(raw, "/") {
			return nil, fmt.Errorf("%w: %q is no path of a snapshot; write it from / on", api.ErrInvalid, text)
		}
		if raw != "/" {
			args = append(args, "--include", literal(raw))
		}
	}
	return args, nil
}

// literal is the pattern that matches a path alone, and what is below it.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// forecast is how long a restore will take, in seconds, by the last restore
// tests of the source; 0 for not known.
func (c *Console) forecast(r *recovery, bytes uint64) float64 {
	var tests []objective.Test
	repositories := c.Surveys()[r.plan].Repositories
	for k := range repositories {
		for _, t := range repositories[k].Tests {
			if t.Failed == "" && t.Source == r.source && t.From == r.repository && t.Seconds > 0 && t.Bytes > 0 {
				tests = append(tests, objective.Test{Time: t.Time, Took: seconds(t.Seconds), Bytes: t.Bytes})
			}
		}
	}
	if len(tests) == 0 {
		return 0
	}
	slices.SortFunc(tests, func(a, b objective.Test) int { return b.Time.Compare(a.Time) }) // newest first
	took, _, _ := tests[0].Forecast(bytes, tests[1:])
	return max(1, took.Seconds())
}

// confirmation stands for a request and what was found out about it. How much
// is free, and how long it takes, may change without anybody minding.
func (c *Console) confirmation(p *api.RestorePlan) string {
	facts := *p
	facts.Request.Confirm, facts.Confirm, facts.FreeBytes, facts.Seconds, facts.Kept = "", "", 0, 0, nil
	if p.Request.Time.IsZero() && p.Snapshot == nil { // to where the log ends, and the log goes on
		facts.Recovery = time.Time{}
	}
	return c.seal(facts)
}
