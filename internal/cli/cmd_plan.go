package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/trace"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

func newPlan(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show, check and run the plans of holdfast.yaml",
		Long: `Show, check and run the plans of holdfast.yaml. A plan says what to protect, where to,
for how long, and what it promises.`,
		Example: "  holdfast plan list\n  holdfast plan run shop --type full",
	}
	cmd.AddCommand(newPlanList(c), newPlanShow(c), newPlanValidate(c), newPlanSchema(c), newPlanRun(c), newPlanPause(c), newPlanResume(c))
	return cmd
}

// planMessage describes a plan.
type planMessage struct {
	Name       string   `json:"name"`
	Sources    []string `json:"sources"`
	Repository string   `json:"repository"`
	Copies     []string `json:"copies"`
	RPO        string   `json:"rpo,omitempty"`
	RTO        string   `json:"rto,omitempty"`
}

func newPlanList(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the plans of holdfast.yaml",
		Long:    "List the plans of holdfast.yaml: what each protects, where to, and what it promises.",
		Example: "  holdfast plan list --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.listPlans() },
	}
}

func (c *command) listPlans() error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	messages := []planMessage{}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(cfg.Plans)) {
		p := cfg.Plans[name]
		m := planMessage{Name: name, Sources: p.Sources, Repository: p.Repository, Copies: []string{}}
		for _, to := range p.Copies {
			m.Copies = append(m.Copies, to.To)
		}
		if p.Objectives.RPO > 0 {
			m.RPO = p.Objectives.RPO.String()
		}
		if p.Objectives.RTO > 0 {
			m.RTO = p.Objectives.RTO.String()
		}
		messages = append(messages, m)
		rows = append(rows, []string{name, strings.Join(m.Sources, ", "), m.Repository, strings.Join(m.Copies, ", "), m.RPO, m.RTO})
	}
	if c.ui.json {
		c.ui.message(messages)
		return nil
	}
	c.ui.table([]string{"Plan", "Sources", "Repository", "Copies", "RPO", "RTO"}, rows)
	return nil
}

func newPlanRun(c *command) *cobra.Command {
	var kind string
	var noCopy bool
	cmd := &cobra.Command{
		Use:   "run [flags] PLAN",
		Short: "Back up the sources of a plan now",
		Long: `Back up the sources of a plan now, one after the other or, with together: true,
all at one moment, and then copy the new snapshots to the plan's copies.

A PostgreSQL source becomes a base backup: a folder that is a data directory,
to be browsed, mounted and restored like any other. It counts only once the
log archive has the log it needs; see 'holdfast wal'. Without a log archive the
backup brings along the log it needs, and can be restored to its own end only.
Where data_directory of the source names the folder of the cluster on this host,
its files are read there, and those that have not changed since the snapshot
that the type asks for are not read again. Else the server sends them: from
PostgreSQL 17 on, with summarize_wal = on, only the blocks that have changed
since that snapshot, of which whole files are made. A type other than full
becomes full when that cannot be done, and why is told.
With method: dump it becomes a folder of dumps instead, one for each database,
and globals.sql for the roles and tablespaces; a pg_dump at least as new as the
server is needed. If any of them fails there is no snapshot.

A source that fails does not keep the others from being backed up.

A backup that is unlike those before it, as if files were encrypted or deleted,
is told of, and nothing is removed until somebody looked; see 'holdfast hold',
and anomaly in holdfast.yaml.

The hooks of the plan run before and after it. While somebody else backs up the
same plan, such as holdfast serve, this waits for as long as --retry-lock says.`,
		Example: "  holdfast plan run shop\n  holdfast plan run shop --type full",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runPlan(cmd.Context(), args[0], kind, noCopy)
		},
	}
	cmd.Flags().StringVar(&kind, "type", string(snapshot.Incremental), "backup `type`: full, incremental or differential")
	cmd.Flags().BoolVar(&noCopy, "no-copy", false, "do not copy to the plan's copies")
	return cmd
}

func (c *command) runPlan(ctx context.Context, name, kind string, noCopy bool) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	plan, ok := cfg.Plans[name]
	if !ok {
		return fmt.Errorf("%s has no plan %q; it has %s", cfg.Path, name, strings.Join(slices.Sorted(maps.Keys(cfg.Plans)), ", "))
	}
	run := &planRun{command: c, cfg: cfg, name: name, plan: plan, kind: kind}
	if err := run.alone(ctx, func(ctx context.Context) error { return run.hooked(ctx, run.backUp) }); err != nil {
		return err
	}
	if noCopy || len(plan.Copies) == 0 {
		return nil
	}
	return c.runCopy(ctx, &copyFlags{plan: name, writer: writerFlags{compression: "auto"}}, nil)
}

// planRun is one run of a plan.
type planRun struct {
	*command
	cfg  *config.Config
	name string
	plan config.Plan
	kind string
}

// backUp backs up all sources: one after the other under one lock, unless the
// plan has them at one moment.
func (p *planRun) backUp(ctx context.Context) error {
	if p.plan.Together && len(p.plan.Sources) > 1 {
		return p.backUpTogether(ctx)
	}
	at := p.namedPlace(p.plan.Repository, p.cfg.Repositories[p.plan.Repository])
	r, err := p.openPlace(ctx, at)
	if err != nil {
		return err
	}
	began := time.Now()
	err = p.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		var failures []error
		for _, source := range p.plan.Sources {
			p.ui.infof("backing up %s", source)
			if err := p.source(ctx, r, source); err != nil {
				failures = append(failures, fmt.Errorf("source %s: %w", source, err))
			}
		}
		p.watch(ctx, r, began)
		return joined(ctx, failures)
	})
	return errors.Join(err, r.Close())
}

// alone does the work while nobody else backs up the plan, the service
// included.
func (p *planRun) alone(ctx context.Context, work func(context.Context) error) error {
	dir, err := service.FindStateDir("", p.cfg.Service.StateDir, os.Getenv)
	if err != nil {
		return err
	}
	lock, err := service.Dir(dir).LockPlan(ctx, p.name, p.global.retryLock)
	if errors.Is(err, service.ErrPlanRuns) {
		return &codeError{exitLocked, err}
	}
	if err != nil {
		p.ui.warn("lock", p.name, fmt.Errorf("another backup of the plan would not be noticed: %w", err))
		return work(ctx)
	}
	return errors.Join(work(ctx), lock.Unlock())
}

// joined joins the failures of several sources: if any of them was more than
// incomplete, so is all of it.
func joined(ctx context.Context, failures []error) error {
	err := errors.Join(failures...)
	for _, failure := range failures {
		if !isIncomplete(failure) {
			return &codeError{exitCode(ctx, failure), err}
		}
	}
	return err
}

func (p *planRun) source(ctx context.Context, r *repository.Repository, name string) (err error) {
	ctx, span := trace.Start(ctx, "back up source", slog.String("plan", p.name), slog.String("source", name), slog.String("type", p.kind))
	defer func() { span.End(err) }()
	source := p.cfg.Sources[name]
	switch {
	case source.Files != nil:
		return p.files(ctx, r, name, *source.Files)
	case source.Postgres != nil:
		return p.postgres(ctx, r, name, *source.Postgres)
	}
	return errors.New("this kind of source cannot be backed up by this version of holdfast")
}

// files backs up a source of files.
func (p *planRun) files(ctx context.Context, r *repository.Repository, name string, f config.Files) error {
	flags := backupFlags{source: *sourceFlagsOf(f), kind: p.kind, groupBy: "host,paths", writer: writerFlags{compression: "auto"}}
	o, err := flags.options()
	if err != nil {
		return err
	}
	src, err := flags.source.openFiles(p.command, f.Paths, r)
	if err != nil {
		return err
	}
	o.Snapshot.Paths, o.Snapshot.Excludes, o.Concurrency = src.paths, f.Exclude, src.readers
	o.Snapshot.SetPlan(p.name)
	o.Snapshot.SetSource(name)
	all, err := p.loadAll(ctx, r)
	if err != nil {
		return err
	}
	return p.backup(ctx, r, all, src, &flags, o)
}
