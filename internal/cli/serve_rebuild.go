package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// gatherRebuild reads what the repositories of the configuration know of the
// state of the service. One that cannot be read is told of: what it knows is
// not known then, and the service goes on without.
func (c *command) gatherRebuild(ctx context.Context) (*service.Rebuild, error) {
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	known := &service.Rebuild{
		Pauses: make(map[string]controller.Pause), Backups: make(map[string]map[string]time.Time),
		Runs: make(map[string]history.Run), Receipts: make(map[string]time.Time),
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		err := c.gatherFrom(ctx, cfg, name, known)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			c.ui.warn("rebuild", name, fmt.Errorf("what it knows is left out: %w", err))
		}
	}
	return known, nil
}

func (c *command) gatherFrom(ctx context.Context, cfg *config.Config, name string, known *service.Rebuild) error {
	r, err := c.openPlace(ctx, c.namedPlace(name, cfg.Repositories[name]))
	if err != nil {
		return err
	}
	return errors.Join(c.gatherOpen(ctx, cfg, name, r, known), r.Close())
}

func (c *command) gatherOpen(ctx context.Context, cfg *config.Config, name string, r *repository.Repository, known *service.Rebuild) error {
	pauses, err := service.LoadPauses(ctx, r)
	if err != nil {
		return err
	}
	maps.Copy(known.Pauses, pauses)
	all, err := c.snapshots(ctx, r)
	if err != nil {
		return err
	}
	for plan := range cfg.Plans {
		if cfg.Plans[plan].Repository == name {
			known.Backups[plan] = newestBackups(cfg, plan, all)
		}
	}
	runs, err := service.LoadReceipts(ctx, r)
	for k := range runs {
		known.Runs[runs[k].ID] = runs[k]
		if runs[k].Repository == name && runs[k].Ended.After(known.Receipts[name]) {
			known.Receipts[name] = runs[k].Ended
		}
	}
	return err
}

// newestBackups returns, for each type, when all sources of a plan were last
// backed up so.
func newestBackups(cfg *config.Config, plan string, all []*snapshot.Snapshot) map[string]time.Time {
	newest := make(map[string]map[string]time.Time) // by type and source
	for _, s := range all {
		source, ok := app.SourceOf(cfg, plan, s)
		if !ok {
			continue
		}
		kind := string(s.Type())
		if newest[kind] == nil {
			newest[kind] = make(map[string]time.Time)
		}
		if s.Time.After(newest[kind][source]) {
			newest[kind][source] = s.Time
		}
	}
	of := make(map[string]time.Time)
	for kind, bySource := range newest {
		for _, source := range cfg.Plans[plan].Sources {
			at, ok := bySource[source]
			if !ok { // one that never was: the backup is not complete
				delete(of, kind)
				break
			}
			if before, known := of[kind]; !known || at.Before(before) {
				of[kind] = at
			}
		}
	}
	return of
}
