package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/history"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// gathered is what repositories know of the state of services, before it is
// chosen whose counts.
type gathered struct {
	cfg       *config.Config
	pauses    []service.PauseWish
	receipts  map[string]service.Receipts     // by repository
	snapshots map[string][]*snapshot.Snapshot // by plan
}

// gatherRebuild reads what the repositories of the configuration know of the
// state of the service. One that cannot be read is told of: what it knows is
// not known then, and the service goes on without.
func (c *command) gatherRebuild(ctx context.Context, hosts []string) (*service.Rebuild, error) {
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	g := &gathered{
		cfg: cfg, receipts: make(map[string]service.Receipts), snapshots: make(map[string][]*snapshot.Snapshot),
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		err := c.gatherFrom(ctx, name, g)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			c.ui.warn("rebuild", name, fmt.Errorf("what it knows is left out: %w", err))
		}
	}
	counts, err := c.whoseCount(hosts, g.hosts())
	return g.of(counts), err
}

func (c *command) gatherFrom(ctx context.Context, name string, g *gathered) error {
	r, err := c.openPlace(ctx, c.namedPlace(name, g.cfg.Repositories[name]))
	if err != nil {
		return err
	}
	return errors.Join(c.gatherOpen(ctx, name, r, g), r.Close())
}

func (c *command) gatherOpen(ctx context.Context, name string, r *repository.Repository, g *gathered) error {
	pauses, err := service.LoadPauses(ctx, r)
	if err != nil {
		return err
	}
	g.pauses = append(g.pauses, pauses...)
	all, err := c.snapshots(ctx, r)
	if err != nil {
		return err
	}
	for plan := range g.cfg.Plans {
		if g.cfg.Plans[plan].Repository == name {
			g.snapshots[plan] = app.SnapshotsOf(g.cfg, plan, all)
		}
	}
	g.receipts[name], err = service.LoadReceipts(ctx, r)
	return err
}

// hosts are those that there are receipts of.
func (g *gathered) hosts() []string {
	known := make(map[string]bool)
	for _, receipts := range g.receipts {
		for host := range receipts {
			known[host] = true
		}
	}
	delete(known, "")
	return slices.Sorted(maps.Keys(known))
}

// whoseCount says of which hosts the receipts, snapshots and pauses count; of all
// without any.
func (c *command) whoseCount(named, known []string) ([]string, error) {
	if len(named) > 0 {
		for _, host := range named {
			if !slices.Contains(known, host) {
				c.ui.warn("rebuild", host, fmt.Errorf("there are no receipts of this host; there are those of %v", known))
			}
		}
		return named, nil
	}
	here, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the name of this host: %w; name it with --host", err)
	}
	if slices.Contains(known, here) {
		return []string{here}, nil
	}
	if len(known) > 1 {
		c.ui.warn("rebuild", "", fmt.Errorf("there are no receipts of this host, %s, but of %v, which all count; --host names those that should", here, known))
	}
	return nil, nil
}

// of chooses what is of some hosts, or of any without one. Receipts and pauses that
// name none, and snapshots when there are no receipts, may be of all.
func (g *gathered) of(hosts []string) *service.Rebuild {
	counts := func(host string) bool { return len(hosts) == 0 || host == "" || slices.Contains(hosts, host) }
	known := &service.Rebuild{
		Pauses: service.Lasting(g.pauses, counts), Backups: make(map[string]map[string]time.Time),
		Runs: make(map[string]history.Run), Receipts: make(map[string]time.Time),
	}
	for repo, receipts := range g.receipts {
		for host, runs := range receipts {
			if !counts(host) {
				continue
			}
			for k := range runs {
				known.Runs[runs[k].ID] = runs[k]
				if runs[k].Repository == repo && runs[k].Ended.After(known.Receipts[repo]) {
					known.Receipts[repo] = runs[k].Ended
				}
			}
		}
	}
	for plan, all := range g.snapshots {
		all = slices.DeleteFunc(all, func(s *snapshot.Snapshot) bool { return !counts(s.Hostname) })
		known.Backups[plan] = newestBackups(g.cfg, plan, all)
	}
	return known
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
