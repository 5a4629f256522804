package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/archive"
	"holdfast/internal/config"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// archivePlan is an export of what a plan protects, as holdfast.yaml says.
type archivePlan struct {
	cfg  *config.Config
	name string
	config.Archives
	days int // that an archive stays
}

// planned takes what holdfast.yaml says about the archives of the plan.
func (f *archiveExportFlags) planned(c *command, args []string) (*archivePlan, error) {
	if f.to != "" || f.since != "" || f.kind != "" || f.name != "" || f.expires != "" || len(args) > 0 {
		return nil, errors.New("--plan says what goes where: leave out the snapshot, --to, --since, --type, --name and --expires")
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	plan, ok := cfg.Plans[f.plan]
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no plan %q in %s", f.plan, cfg.Path)
	case plan.Archives == nil:
		return nil, fmt.Errorf("plan %q of %s has no archives: add `archives: { to: PLACE, recipients: [age1...] }` to it", f.plan, cfg.Path)
	}
	p := &archivePlan{cfg: cfg, name: f.plan, Archives: *plan.Archives}
	if p.days, err = p.Days(plan.Keep); err != nil {
		return nil, fmt.Errorf("archives of plan %s: %w", f.plan, err)
	}
	f.to = p.To
	if f.passphraseFile == "" && f.passphraseCommand == "" && !f.passphrase {
		f.recipients = append(f.recipients, p.Recipients...)
	}
	if c.global.repo == "" {
		c.global.repo = plan.Repository
	}
	return p, nil
}

// newest returns the newest snapshot of each source of the plan.
func (p *archivePlan) newest(all []*snapshot.Snapshot) (chosen []*snapshot.Snapshot) {
	at := map[string]int{}
	for _, s := range snapshot.Sorted(all) {
		source, ok := app.SourceOf(p.cfg, p.name, s)
		if !ok {
			continue
		}
		if n, seen := at[source]; seen {
			chosen[n] = s
			continue
		}
		at[source] = len(chosen)
		chosen = append(chosen, s)
	}
	return chosen
}

// archiveOfPlan exports the newest snapshot of each source of a plan, unless
// it is archived already.
func (c *command) archiveOfPlan(ctx context.Context, f *archiveExportFlags, p *archivePlan, o archive.Options) error {
	return c.loadedWork(ctx, func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error {
		chosen := p.newest(all)
		if len(chosen) == 0 {
			return fmt.Errorf("%s has no snapshot of plan %s yet", r.Location(), p.name)
		}
		shelf, err := c.openShelf(ctx, f.to, !f.dryRun)
		if err != nil {
			return err
		}
		var failed error
		for _, s := range chosen {
			failed = errors.Join(failed, c.archiveNewest(ctx, *f, p, r, all, s, shelf, o))
		}
		return errors.Join(failed, storage.Close(shelf.Store))
	})
}

// archiveNewest exports one snapshot of a plan: what changed, where the chain
// of the archives is young enough for that, and all of it else.
func (c *command) archiveNewest(ctx context.Context, f archiveExportFlags, p *archivePlan, r *repository.Repository, all []*snapshot.Snapshot, s *snapshot.Snapshot, shelf archive.Shelf, o archive.Options) error {
	list, err := shelf.List(ctx)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Manifest != nil && a.Manifest.Snapshot.ID == s.ID && a.Manifest.Repository == r.ID() {
			c.ui.infof("snapshot %s of %s is archived already, as %s", s.ID.Short(), s.Time.Local().Format(timeFormat), a.Name)
			return nil
		}
	}
	young, err := c.youngChain(ctx, p, shelf, all, s)
	if err != nil {
		return err
	}
	if young {
		f.since = "latest"
	}
	o.Expires, o.Progress = s.Time.AddDate(0, 0, p.days), new(archive.Progress)
	return c.archiveExport(ctx, &f, r, all, s, shelf, o)
}

// youngChain tells whether a snapshot may still be added to the newest chain
// of its source.
func (c *command) youngChain(ctx context.Context, p *archivePlan, shelf archive.Shelf, all []*snapshot.Snapshot, s *snapshot.Snapshot) (bool, error) {
	days := p.Chain.LongestDays()
	if days == 0 {
		return false, nil
	}
	latest, err := c.latestArchive(ctx, shelf, all, s)
	if err != nil || latest == "" {
		return false, err
	}
	chain, err := archive.Chain(ctx, latest, []archive.Shelf{shelf})
	if err != nil {
		c.ui.warn("export", latest, fmt.Errorf("%w; a full archive is made", err))
		return false, nil
	}
	return s.Time.Sub(chain[0].Snapshot.Time) <= time.Duration(days)*24*time.Hour, nil
}
