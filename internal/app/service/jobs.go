package service

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/schedule"
	"holdfast/internal/size"
)

// upkeepSpread is over how long the upkeep of several repositories and plans
// begins.
const upkeepSpread = 30 * time.Minute

const (
	// lockPatience is how long a run waits for a repository that somebody else
	// has locked, before it is put off. Pruning is begun for the sake of none,
	// and takes a place from others while it waits.
	lockPatience  = 15 * time.Minute
	prunePatience = 2 * time.Minute
	// sliceBytes and sliceTime bound what one run of pruning rewrites, and how
	// long it does, so that other upkeep has its turn. Backups go on meanwhile.
	sliceBytes = 8 << 30
	sliceTime  = 5 * time.Minute

	upkeepAttempts = 3
	upkeepBackoff  = 5 * time.Minute
)

// Work says what a run's process does.
type Work struct {
	// Args are its arguments, after those that all have. They may hold
	// {variant}, {round} and {budget}.
	Args []string
	// Input is what it reads from standard input.
	Input []byte
	// Nice and MemoryBytes bound it; 0 for no bound.
	Nice        int
	MemoryBytes int64
	// Groups is into how many parts a rolling check divides a repository.
	Groups int
	// BudgetBytes bounds what a run in slices does in all; 0 for no bound.
	BudgetBytes uint64
}

// Jobs returns what a configuration says is to be done, and when.
func Jobs(c *config.Config) ([]controller.Job, controller.Limits, error) {
	b := &builder{c: c}
	for _, name := range slices.Sorted(maps.Keys(c.Plans)) {
		b.plan(name, c.Plans[name])
	}
	b.upkeep()
	for k := range b.jobs {
		j := &b.jobs[k]
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %s", j.Work, j.Definition))
		j.Definition = hex.EncodeToString(sum[:8])
	}
	return b.jobs, controller.Limits(c.Service.Concurrency), b.err
}

// builder makes jobs of a configuration.
type builder struct {
	c    *config.Config
	jobs []controller.Job
	err  error
}

// JobID names a job: whose it is, what it does and, where there are several,
// with what.
func JobID(plan, repository string, kind history.Job, with ...string) string {
	parts := []string{"plans", plan, string(kind)}
	if plan == "" {
		parts = []string{"repositories", repository, string(kind)}
	}
	return strings.Join(append(parts, with...), "/")
}

// plan adds the jobs of a plan.
func (b *builder) plan(name string, p config.Plan) {
	base := controller.Job{
		Plan: name, Repository: p.Repository, SkipMissed: p.SkipMissed,
		Attempts: p.Limits.Retries.Attempts, Backoff: time.Duration(p.Limits.Retries.Backoff), Timeout: time.Duration(p.Limits.Timeout),
		Hours: schedule.Hours{Blackouts: p.Blackout.Spans(), Zone: b.zone(p.Timezone)},
	}
	b.backup(name, p, base)
	b.copies(name, p, base)
	b.restoreTest(name, p, base)
	b.archives(name, p, base)
	b.retention(name, p, base)
	b.log(name, p, base)
}

func (b *builder) backup(name string, p config.Plan, j controller.Job) {
	j.ID, j.Kind = JobID(name, "", history.Backup), history.Backup
	j.Hours.Windows = p.Window.Spans()
	for _, v := range []struct{ name, text string }{
		{"full", p.Schedule.Full},
		{"snapshot", p.Schedule.Snapshot},
		{"differential", p.Schedule.Differential},
		{"incremental", p.Schedule.Incremental},
	} {
		if v.text != "" {
			j.Variants = append(j.Variants, controller.Variant{Name: v.name, Rule: b.rule(name, v.text, j.Hours.Zone, time.Duration(p.Jitter), name)})
		}
	}
	for _, other := range p.After {
		j.After = append(j.After, JobID(other, "", history.Backup))
	}
	j.Uses = []controller.Use{{Repository: p.Repository, Mode: controller.Writes}}
	j.Work = b.work(p.Limits, "plan", "run", name, "--type", "{variant}", "--no-copy")
	b.jobs = append(b.jobs, j)
}

func (b *builder) copies(name string, p config.Plan, base controller.Job) {
	for _, to := range p.Copies {
		j := base
		j.ID, j.Kind, j.Repository = JobID(name, "", history.Copy, to.To), history.Copy, to.To
		if to.Schedule != "" {
			j.Variants = []controller.Variant{{Rule: b.rule(name, to.Schedule, j.Hours.Zone, time.Duration(p.Jitter), j.ID)}}
		} else {
			j.Follows = []string{JobID(name, "", history.Backup)}
		}
		j.Uses = []controller.Use{{Repository: p.Repository}, {Repository: to.To, Mode: controller.Writes}}
		j.Work = b.work(p.Limits, "copy", "--plan", name, "--to", to.To)
		b.jobs = append(b.jobs, j)
	}
}

func (b *builder) restoreTest(name string, p config.Plan, j controller.Job) {
	if p.RestoreTest == nil || p.RestoreTest.Schedule == "" {
		return
	}
	j.ID, j.Kind = JobID(name, "", history.RestoreTest), history.RestoreTest
	j.Timeout = time.Duration(p.RestoreTest.Limits.Timeout)
	j.Variants = []controller.Variant{{Rule: b.rule(name, p.RestoreTest.Schedule, j.Hours.Zone, time.Duration(p.Jitter), j.ID)}}
	j.After = []string{JobID(name, "", history.Backup)}
	for _, repository := range p.Repositories() {
		j.Uses = append(j.Uses, controller.Use{Repository: repository})
		if repository != p.Repository {
			j.After = append(j.After, JobID(name, "", history.Copy, repository))
		}
	}
	j.Work = b.work(p.RestoreTest.Limits, "verify", "--plan", name)
	b.jobs = append(b.jobs, j)
}

// archives adds what archives a plan's newest snapshots. What a killed run left
// is no archive: the next one begins it again.
func (b *builder) archives(name string, p config.Plan, j controller.Job) {
	if p.Archives == nil || p.Archives.Schedule == "" {
		return
	}
	j.ID, j.Kind = JobID(name, "", history.Archive), history.Archive
	j.Variants = []controller.Variant{{Rule: b.rule(name, p.Archives.Schedule, j.Hours.Zone, time.Duration(p.Jitter), j.ID)}}
	j.After = []string{JobID(name, "", history.Backup)}
	j.Uses = []controller.Use{{Repository: p.Repository}}
	j.Work = b.work(p.Limits, "archive", "export", "--plan", name, "--restart")
	b.jobs = append(b.jobs, j)
}

// retention adds a job for each repository in which the plan does not keep
// everything.
func (b *builder) retention(name string, p config.Plan, base controller.Job) {
	text := b.c.Service.Upkeep.Retention.Schedule
	if text == config.Off {
		return
	}
	for _, repository := range p.Repositories() {
		if p.KeepIn(repository).Empty() {
			continue
		}
		j := b.upkeepJob(base, JobID(name, "", history.Retention, repository), history.Retention, text)
		j.Repository = repository
		j.Uses = []controller.Use{{Repository: repository, Mode: controller.Alone}}
		j.Work = b.work(config.Limits{}, "forget", "--repo", repository, "--plan", name)
		b.jobs = append(b.jobs, j)
	}
}

// log adds what archives the logs of the plan's databases, and what prunes
// them.
func (b *builder) log(name string, p config.Plan, base controller.Job) {
	for _, source := range p.Sources {
		pg := b.c.Sources[source].Postgres
		if pg == nil || pg.Method == config.MethodDump || pg.WAL == "" || pg.WAL == "none" {
			continue
		}
		// With wal: push it takes what archive_command hands over, and looks for gaps.
		j := base
		j.ID, j.Kind, j.Continuous = JobID(name, "", history.LogReceive, source), history.LogReceive, true
		j.Timeout = 0
		j.Work = Work{Args: []string{"wal", "receive", "--once", "--plan", name, "--source", source}}
		j.Definition = b.logSettings(p, source)
		b.jobs = append(b.jobs, j)
		if text := b.c.Service.Upkeep.LogPrune.Schedule; text != config.Off {
			j := b.upkeepJob(base, JobID(name, "", history.LogPrune, source), history.LogPrune, text)
			for _, repository := range p.Repositories() {
				j.Uses = append(j.Uses, controller.Use{Repository: repository, Mode: controller.Alone})
			}
			j.Work = b.work(config.Limits{}, "wal", "prune", "--plan", name, "--source", source)
			b.jobs = append(b.jobs, j)
		}
	}
}

// logSettings is what a receiver reads of the configuration when it begins: with
// other settings another one takes its place.
func (b *builder) logSettings(p config.Plan, source string) string {
	places := make(map[string]config.Repository)
	for _, name := range p.Repositories() {
		places[name] = b.c.Repositories[name]
	}
	text, err := json.Marshal(struct {
		Source config.Source
		Places map[string]config.Repository
		WAL    any
		Keep   any
		Copies any
	}{b.c.Sources[source], places, p.WAL, p.Keep, p.Copies})
	if err != nil {
		b.err = errors.Join(b.err, fmt.Errorf("settings of the log of %s: %w", source, err))
	}
	return string(text)
}

// upkeep adds the jobs of the repositories that plans use.
func (b *builder) upkeep() {
	used := map[string]bool{}
	for _, p := range b.c.Plans {
		for _, r := range p.Repositories() {
			used[r] = true
		}
	}
	u := b.c.Service.Upkeep
	base := controller.Job{Attempts: upkeepAttempts, Backoff: upkeepBackoff, Hours: schedule.Hours{Zone: b.zone("")}}
	for _, name := range slices.Sorted(maps.Keys(b.c.Repositories)) {
		if !used[name] {
			continue
		}
		add := func(kind history.Job, text string, mode controller.Mode, w Work) *controller.Job {
			if text == config.Off {
				return &controller.Job{}
			}
			j := b.upkeepJob(base, JobID("", name, kind), kind, text)
			j.Repository, j.Work = name, w
			j.Uses = []controller.Use{{Repository: name, Mode: mode}}
			b.jobs = append(b.jobs, j)
			return &b.jobs[len(b.jobs)-1]
		}
		prune := b.patient(prunePatience, config.Limits{}, "prune", "--repo", name, "--max-repack-size", "{budget}", "--max-time", sliceTime.String())
		prune.BudgetBytes = uint64(u.Prune.Budget) //nolint:gosec // sizes are not negative
		if j := add(history.Prune, u.Prune.Schedule, controller.AloneAtEnd, prune); len(u.Prune.Window) > 0 {
			j.Hours.Windows = u.Prune.Window.Spans()
		}
		check := b.work(config.Limits{}, "check", "--repo", name, "--read-data-subset", "{round}")
		check.Groups = groups(u.Check.Schedule, time.Duration(u.Check.Within))
		add(history.Check, u.Check.Schedule, controller.Reads, check)
		if b.c.Repositories[name].Immutable != nil {
			add(history.Extend, u.Extend.Schedule, controller.Reads, b.work(config.Limits{}, "storage", "extend", name))
		}
	}
}

// groups is into how many parts a repository is divided so that a check of one
// at each due time has read everything within a time.
func groups(text string, within time.Duration) int {
	e, err := schedule.Parse(text, time.UTC)
	if err != nil {
		return 1
	}
	from := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	const most = 256 // what check can divide into
	n := 0
	for at := e.Next(from); n < most && at.Sub(from) <= within; at = e.Next(at) {
		n++
	}
	return max(n, 1)
}

// upkeepJob is a job of upkeep: spread a little, within upkeep's own windows.
func (b *builder) upkeepJob(base controller.Job, id string, kind history.Job, text string) controller.Job {
	base.ID, base.Kind, base.Timeout = id, kind, 0
	base.Hours.Windows = b.c.Service.Upkeep.Window.Spans()
	base.Variants = []controller.Variant{{Rule: b.rule(id, text, base.Hours.Zone, upkeepSpread, id)}}
	return base
}

// work is what the process of a run does, within limits.
func (b *builder) work(l config.Limits, args ...string) Work {
	return b.patient(lockPatience, l, args...)
}

// patient is work that waits so long for a repository.
func (b *builder) patient(patience time.Duration, l config.Limits, args ...string) Work {
	w := Work{Args: append(args, "--retry-lock", patience.String()), Nice: l.Nice, MemoryBytes: int64(l.Memory)}
	for _, limit := range []struct {
		flag string
		rate size.Rate
	}{{"--limit-upload", l.Upload}, {"--limit-download", l.Download}} {
		if limit.rate > 0 {
			w.Args = append(w.Args, limit.flag, strconv.FormatInt(max(int64(limit.rate)>>10, 1), 10))
		}
	}
	return w
}

// rule makes a rule of an expression; one that cannot be read is an error of
// the whole configuration, which it has been checked for before.
func (b *builder) rule(of, text string, zone *time.Location, jitter time.Duration, key string) schedule.Rule {
	e, err := schedule.Parse(text, zone)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("schedule of %s: %w", of, err)
	}
	return schedule.Rule{Expression: e, Offset: schedule.Jitter(key, jitter)}
}

// zone returns the time zone of a plan, else that of the service, else that of
// the machine.
func (b *builder) zone(name string) *time.Location {
	name = cmp.Or(name, b.c.Service.Timezone)
	if name == "" {
		return time.Local
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		if b.err == nil {
			b.err = fmt.Errorf("time zone %s: %w", name, err)
		}
		return time.UTC
	}
	return z
}
