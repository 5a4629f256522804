package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/objective"
	"holdfast/internal/standing"
)

// Plans implements api.Viewer.
func (c *Console) Plans(ctx context.Context) ([]api.Plan, error) {
	cfg := c.o.Config()
	jobs, err := c.statuses(ctx)
	if err != nil {
		return nil, err
	}
	c.surveyIfNever(cfg)
	byPlan := make(map[string][]*controller.Status)
	for k := range jobs {
		if !jobs[k].Once {
			byPlan[jobs[k].Plan] = append(byPlan[jobs[k].Plan], &jobs[k])
		}
	}
	surveys, now := c.Surveys(), time.Now()
	plans := make([]api.Plan, 0, len(cfg.Plans))
	for _, name := range slices.Sorted(maps.Keys(cfg.Plans)) {
		plans = append(plans, planSeen(cfg, name, byPlan[name], surveys[name], now))
	}
	return plans, nil
}

// Plan implements api.Viewer.
func (c *Console) Plan(ctx context.Context, name string) (*api.Plan, error) {
	cfg := c.o.Config()
	if _, ok := cfg.Plans[name]; !ok {
		return nil, noPlan(name)
	}
	all, err := c.statuses(ctx)
	if err != nil {
		return nil, err
	}
	c.surveyIfNever(cfg)
	var jobs []*controller.Status
	for k := range all {
		if all[k].Plan == name && !all[k].Once {
			jobs = append(jobs, &all[k])
		}
	}
	p := planSeen(cfg, name, jobs, c.Surveys()[name], time.Now())
	p.Config = c.configOf(name)
	return &p, nil
}

func noPlan(name string) error {
	return fmt.Errorf("%w: there is no plan %q in holdfast.yaml", api.ErrNotFound, name)
}

// surveyIfNever has a first survey begin at once when somebody wants to know.
func (c *Console) surveyIfNever(cfg *config.Config) {
	known := c.Surveys()
	if known == nil {
		if len(cfg.Plans) > 0 {
			c.o.Survey()
		}
		return
	}
	var unknown []string
	for name := range cfg.Plans {
		if _, ok := known[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		c.o.Survey(unknown...)
	}
}

// planSeen puts together what is known of a plan.
func planSeen(cfg *config.Config, name string, jobs []*controller.Status, s PlanSurvey, now time.Time) api.Plan {
	from := cfg.Plans[name]
	p := api.Plan{
		Name: name, Sources: []api.Source{}, Missing: []api.Missing{}, Places: []api.Place{}, Jobs: []api.Job{},
		RPO: s.RPO.seen(now), RTO: s.RTO.seen(now), Newest: s.Newest,
		Score: s.Score, Copies: s.Copies, Media: s.Media, OffSite: s.OffSite, Immutable: s.Immutable, Errors: s.Errors,
	}
	if s.At.IsZero() { // what is promised is known all the same
		p.RPO.Promised, p.RTO.Promised = time.Duration(from.Objectives.RPO).Seconds(), time.Duration(from.Objectives.RTO).Seconds()
	}
	for _, source := range from.Sources {
		p.Sources = append(p.Sources, sourceSeen(cfg, source, s.Sources))
	}
	for _, m := range s.Missing {
		p.Missing = append(p.Missing, api.Missing(m))
	}
	if p.RPO.State == objective.Breached && s.RPO.State != objective.Breached { // since the survey
		p.Missing = append(p.Missing, api.Missing{
			Rule: "rpo", What: "more would be lost now than is promised: " + s.RPO.Reason,
			Next: "see why nothing newer can be restored: holdfast verify --plan " + name,
		})
	}
	for _, place := range from.Repositories() {
		p.Places = append(p.Places, placeSeen(cfg, place, s.Repositories, now))
	}
	if a := s.Archives; a != nil && from.Archives != nil {
		p.Archives = &api.PlanArchives{
			Place: config.WithoutPassword(from.Archives.To), Count: a.Archives, Newest: a.Newest, ReadBack: a.ReadBack, Opened: a.Opened, LastError: a.Bad,
		}
	}
	for _, j := range jobs {
		p.Jobs = append(p.Jobs, jobSeen(j))
		if j.Paused != nil {
			p.Paused = &api.Pause{Since: j.Paused.Since, Until: j.Paused.Until, Reason: j.Paused.Reason}
		}
	}
	slices.SortFunc(p.Jobs, func(a, b api.Job) int { return dueFirst(&a, &b) })
	facts := factsOf(s, now)
	p.Proven, p.Tested = facts.Proven, facts.Tested
	verdict, why := standing.Judge(facts)
	p.Verdict, p.Why = api.Verdict(verdict), why
	return p
}

// factsOf are what the verdict goes by. The rest is as old as the survey; what
// would be lost has grown since.
func factsOf(s PlanSurvey, now time.Time) standing.Facts {
	f := standing.Facts{Now: now, Surveyed: s.At, Newest: s.Newest, RPO: s.RPO.Of().At(now), RTO: s.RTO.Of()}
	for _, m := range s.Missing {
		if m.Rule != "rpo" && m.Rule != "rto" && m.Rule != "archives" && !slices.Contains(f.Lacks, m.Rule) {
			f.Lacks = append(f.Lacks, m.Rule)
		}
	}
	for k := range s.Repositories {
		r := &s.Repositories[k]
		f.Copies = append(f.Copies, standing.Copy{Name: r.Name, Down: r.Down, HoldsNewest: r.Holds, Behind: seconds(r.BehindSeconds)})
		for _, t := range r.Tests {
			if t.Time.After(f.Tested) {
				f.Tested, f.Failed = t.Time, t.Failed
			}
			if t.Failed == "" && t.Time.After(f.Proven) {
				f.Proven = t.Time
			}
		}
	}
	return f
}

// sourceSeen is a source of a plan, with the newest of it on whatever host.
func sourceSeen(cfg *config.Config, name string, surveyed []SourceSurvey) api.Source {
	from := cfg.Sources[name]
	s := api.Source{Name: name, Kind: "files"}
	switch {
	case from.Postgres != nil:
		s.Kind, s.What = "postgres", config.WithoutPassword(from.Postgres.DSN)
	case from.Files != nil:
		s.What = strings.Join(from.Files.Paths, ", ")
	}
	for _, found := range surveyed {
		if WithoutHost(found.Source) == name && found.Newest.After(s.Newest) {
			s.Newest, s.LogTo, s.Bytes, s.LogRanges, s.Logs = found.Newest, found.LogTo, found.Bytes, found.LogRanges, found.Logs
		}
	}
	return s
}

// WithoutHost is the source of HOST:SOURCE.
func WithoutHost(key string) string {
	if _, source, found := strings.Cut(key, ":"); found {
		return source
	}
	return key
}

func placeSeen(cfg *config.Config, name string, surveyed []RepositorySurvey, now time.Time) api.Place {
	p := api.Place{Repository: name, Media: cfg.Repositories[name].Media, Site: cfg.Repositories[name].Site, RPO: Standing{}.seen(now), RTO: Standing{}.seen(now)}
	for k := range surveyed {
		if r := &surveyed[k]; r.Name == name {
			p.Down, p.Newest, p.Holds, p.BehindSeconds, p.ImmutableUntil = r.Down, r.Newest, r.Holds, r.BehindSeconds, r.Protected
			p.ReadBack, p.LastError, p.RPO, p.RTO = r.ReadBack, r.Bad, r.RPO.seen(now), r.RTO.seen(now)
		}
	}
	return p
}

// plansOf returns the plans that use a repository.
func (c *Console) plansOf(repository string) []string {
	cfg := c.o.Config()
	var plans []string
	for _, name := range slices.Sorted(maps.Keys(cfg.Plans)) {
		if slices.Contains(cfg.Plans[name].Repositories(), repository) {
			plans = append(plans, name)
		}
	}
	return plans
}

// configOf is what a plan says, with what is set by default and where from;
// "" if the files cannot be read now.
func (c *Console) configOf(plan string) string {
	found, err := config.Inspect(c.o.ConfigPath)
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, s := range found.Settings(plan) {
		fmt.Fprintf(&text, "%s: %s  # %s\n", s.Key, s.Value, s.SetBy())
	}
	return text.String()
}
