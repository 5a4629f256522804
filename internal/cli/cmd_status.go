package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app"
	"holdfast/internal/app/protect"
	"holdfast/internal/app/status"
	"holdfast/internal/config"
	"holdfast/internal/redundancy"
	"holdfast/internal/wal"

	"holdfast/repository/snapshot"
)

func newStatus(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [flags] [PLAN...]",
		Short: "Tell whether the data would survive: 3-2-1-1-0, and RPO and RTO against what is promised",
		Long: `Tell, for each plan of holdfast.yaml or those named, what its copies hold now and
whether that is enough. Without plans, or with -r for a repository of none, the
repository alone is judged.

The five numbers are counted from facts, strictly:
  3  copies: the source, and each repository that was listed just now and holds
     the newest recovery point of every source of the plan, and a sample of what
     its newest snapshot needs
  2  kinds of media among these repositories (media: in holdfast.yaml)
  1  of them off-site (site: in holdfast.yaml, another than that of the
     repository that backups go to)
  1  of them immutable: its config, key and newest snapshot, and a sample of the
     packs that this needs, old ones too, are locked now, as the storage service
     itself says. In governance mode some may still end that; the mode is shown
  0  errors: repositories of the plan that cannot be listed, or were not read
     back without error in the last 35 days. What check --read-data,
     --read-data-subset, copy --read-back and protect find out is recorded in
     the repository they read (below holdfast/evidence)

Then come the objectives, measured beside what the plan promises, and for each
repository alone, as if only that one were left:
  RPO  the age of the newest point that can be restored: a snapshot, or the end
       of a database's archived log that follows one without a gap. Points of a
       repository with errors, or whose last restore test failed, do not count
  RTO  how long a restore takes: as long as the last restore test took, and more
       when the source has grown since: two tests of different size tell how much
       of it grows; with one size it is taken to grow all, which is rough
They are met, near (from 80% of what is promised on), breached, or unknown when
nothing was measured.

The place of a plan's archives is looked at, too: of when the newest is, whether
the last due one was made, whether the manifests are whole, and when all of them
were last read back without error ('holdfast archive verify').

What is missing is named with the next step. Of a place that cannot be reached
the last known state is shown; it does not count. No content of files is read,
of folders the few of the sample, which each time is another one.

The exit code is 0 when nothing is missing and 1 when something is.`,
		Example: "  holdfast status\n  holdfast status shop --json\n  holdfast status -r /srv/backup",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runStatus(cmd.Context(), args) },
	}
	return cmd
}

func (c *command) runStatus(ctx context.Context, args []string) error {
	patient := *c
	patient.global.patience = fallbackPatience
	patient.global.noLock = true // nothing but small files is read
	r := &statusRun{command: &patient, now: time.Now(), surveys: make(map[string]surveyed), servers: make(map[string]*wal.Position)}
	if err := r.choose(args); err != nil {
		return err
	}
	dir, err := c.cacheDir()
	if err != nil {
		return err
	}
	r.memory.Folder = dir
	lacking := 0
	for _, plan := range r.plans {
		score, facts, err := r.judge(ctx, plan)
		if err != nil {
			return err
		}
		standings := r.objectives(plan)
		met := r.tell(score, facts, standings)
		endangered, unarchived := r.warnOfBuckets(ctx, plan), r.tellArchives(ctx, plan.name)
		if endangered || unarchived || !met {
			lacking++
		}
	}
	if lacking == 0 {
		return nil
	}
	if len(r.plans) == 1 {
		return errors.New("something is missing; each thing is named above, with the next step")
	}
	return fmt.Errorf("%d of %s lack something; each thing is named above, with the next step", lacking, countOf(len(r.plans), "plan"))
}

// statusRun is one run of status.
type statusRun struct {
	*command
	now    time.Time
	cfg    *config.Config // nil without a holdfast.yaml
	plans  []statusPlan
	memory status.Memory
	// surveys are the repositories looked at, by URL: plans share them.
	surveys map[string]surveyed
	// servers say how far the logs of databases are, by source; nil for those
	// that could not be asked.
	servers map[string]*wal.Position
}

// statusPlan is a plan, or a repository that no plan is about.
type statusPlan struct {
	name     string
	rpo, rto time.Duration
	sources  []string
	copies   []statusCopy
}

type statusCopy struct {
	name  string
	place place
}

// surveyed is what was found at a place, or why nothing was.
type surveyed struct {
	*status.Survey
	down error
}

// choose finds the plans that the user means.
func (r *statusRun) choose(args []string) (err error) {
	r.cfg, err = r.loadConfig()
	if errors.Is(err, config.ErrNotFound) {
		r.cfg, err = nil, nil
	}
	if err != nil {
		return err
	}
	if r.cfg == nil && len(args) > 0 {
		return errors.New("there is no holdfast.yaml, and so no plan; `holdfast protect` begins one")
	}
	given := firstOf(r.global.repo, r.global.repositoryFile) != ""
	if len(args) == 0 && (given || r.cfg == nil || len(r.cfg.Plans) == 0) {
		return r.chooseRepository(given)
	}
	if len(args) == 0 {
		args = slices.Sorted(maps.Keys(r.cfg.Plans))
	}
	for _, name := range args {
		plan, ok := r.cfg.Plans[name]
		if !ok {
			return fmt.Errorf("there is no plan %q in %s", name, r.cfg.Path)
		}
		r.plans = append(r.plans, r.planOf(name, plan))
	}
	return nil
}

func (r *statusRun) planOf(name string, plan config.Plan) statusPlan {
	p := statusPlan{
		name: name, rpo: time.Duration(plan.Objectives.RPO), rto: time.Duration(plan.Objectives.RTO), sources: plan.Sources,
	}
	for _, repo := range plan.Repositories() {
		p.copies = append(p.copies, statusCopy{repo, r.namedPlace(repo, r.cfg.Repositories[repo])})
	}
	return p
}

// chooseRepository chooses the plans of the repository given by -r, or the
// repository itself if there are none.
func (r *statusRun) chooseRepository(given bool) error {
	main, err := r.place()
	if err != nil {
		return err
	}
	if r.cfg != nil && given && main.configured != nil {
		for _, name := range slices.Sorted(maps.Keys(r.cfg.Plans)) {
			plan := r.planOf(name, r.cfg.Plans[name])
			if slices.ContainsFunc(plan.copies, func(c statusCopy) bool { return c.place.url == main.url }) {
				r.plans = append(r.plans, plan)
			}
		}
	}
	if len(r.plans) == 0 {
		name := firstOf(r.global.repo, main.url)
		r.plans = []statusPlan{{copies: []statusCopy{{name, main}}}}
	}
	return nil
}

// judge gathers the facts of a plan and scores them.
func (r *statusRun) judge(ctx context.Context, p statusPlan) (*redundancy.Score, redundancy.Facts, error) {
	f := redundancy.Facts{Plan: p.name, Now: r.now}
	for _, one := range p.copies {
		found, err := r.survey(ctx, one.place)
		if err != nil {
			return nil, f, err
		}
		copied := factsOf(p.name, one, found)
		copied.SameDisk = r.onSourceDisk(p, one.place)
		f.Copies = append(f.Copies, copied)
	}
	return redundancy.Judge(f), f, nil
}

// onSourceDisk tells whether a repository lies on the disk of files that the
// plan protects, as far as this machine can tell.
func (r *statusRun) onSourceDisk(p statusPlan, at place) bool {
	folder, local := app.LocalFolder(at.url)
	if !local {
		return false
	}
	for _, name := range p.sources {
		files := r.cfg.Sources[name].Files
		if files == nil {
			continue
		}
		for _, path := range files.Paths {
			if same, err := protect.SameDisk(path, folder); err == nil && same {
				return true
			}
		}
	}
	return false
}

// survey looks at a repository, once, or recalls what was last seen of it. An
// error is one that the user must deal with.
func (r *statusRun) survey(ctx context.Context, p place) (surveyed, error) {
	if found, ok := r.surveys[p.url]; ok {
		return found, nil
	}
	seen, err := r.look(ctx, p)
	if ctx.Err() != nil {
		return surveyed{}, context.Cause(ctx)
	}
	warn := func(err error) {
		if err != nil {
			r.ui.warn("status", p.url, err)
		}
	}
	found := surveyed{seen, err}
	if err == nil {
		warn(r.memory.Keep(p.url, seen))
	} else {
		found.Survey, err = r.memory.Recall(p.url)
		warn(err)
	}
	r.surveys[p.url] = found
	return found, nil
}

func (r *statusRun) look(ctx context.Context, p place) (*status.Survey, error) {
	repo, err := r.openPlace(ctx, p)
	if err != nil {
		return nil, err
	}
	seen, err := status.Look(ctx, repo, r.now, r.keys, func(err error) {
		if err != nil {
			r.ui.warn("status", p.url, err)
		}
	})
	if err == nil {
		err = r.lookAtLogs(ctx, repo, p, seen)
	}
	return seen, errors.Join(err, repo.Close())
}

// keys says which plans a snapshot counts for, and always for the repository
// itself, by host and paths. Several hosts may share a plan.
func (r *statusRun) keys(s *snapshot.Snapshot) []status.Key {
	keys := []status.Key{{Source: s.Hostname + ":" + strings.Join(slices.Sorted(slices.Values(s.Paths)), ",")}}
	if r.cfg == nil {
		return keys
	}
	for name := range r.cfg.Plans {
		if source, ok := app.SourceOf(r.cfg, name, s); ok {
			keys = append(keys, status.Key{Plan: name, Source: s.Hostname + ":" + source})
		}
	}
	return keys
}

// factsOf says what is known of one copy of a plan.
func factsOf(plan string, c statusCopy, found surveyed) redundancy.Copy {
	f := redundancy.Copy{Name: c.name}
	if c.place.configured != nil {
		f.Media, f.Site = c.place.configured.Media, c.place.configured.Site
	}
	if found.down != nil {
		f.Down = found.down.Error()
	}
	s := found.Survey
	if s == nil {
		return f
	}
	f.Seen, f.Points, f.Lost, f.Protected, f.Mode = s.Seen, s.Points[plan], s.Lost, s.Until, string(s.Mode)
	if s.Good != nil {
		f.LastGood, f.Share = s.Good.Time, s.Good.Share()
	}
	if s.Bad != nil {
		f.LastBad, f.TestFailed = s.Bad.Time, s.Bad.RestoreTest != nil
	}
	return f
}
