package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// spareLocked asks for the retention of everything that is about to be
// deleted. Where versions are kept, deleting hides a locked object now and
// frees its room when the retention ends, so the plan stays, and tells. Where
// none are kept, deletions would be refused: what is locked stays, and stays
// in the index, so that later backups can use it.
func (p *PrunePlan) spareLocked(ctx context.Context) error {
	packs := slices.Concat(p.unindexed, p.Remove(), p.Repack())
	locker, ok := storage.As[storage.Locker](p.repo.Store())
	if !ok || len(packs) == 0 && len(p.repo.PlanReindex(p.isForgotten, p.damaged).Replaced) == 0 {
		return nil
	}
	err := locker.CheckLocking(ctx)
	if errors.Is(err, storage.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find out what is locked: %w", err)
	}
	a := lockAsker{p: p, locker: locker, until: make(map[id.ID]time.Time)}
	if err := a.ask(ctx, repository.PackFile, packs); err != nil {
		return err
	}
	if keepsVersions(ctx, p.repo.Store()) {
		a.report()
		return nil
	}
	a.spare()
	p.tally()
	return a.spareIndex(ctx)
}

// keepsVersions tells whether deleting only hides.
func keepsVersions(ctx context.Context, s storage.Store) bool {
	v, ok := storage.As[storage.Versioned](s)
	return ok && v.CheckVersions(ctx) == nil
}

// lockAsker finds out which of the files that would go are locked.
type lockAsker struct {
	p      *PrunePlan
	locker storage.Locker
	mu     sync.Mutex
	until  map[id.ID]time.Time // of those that are locked
}

func (a *lockAsker) ask(ctx context.Context, k repository.FileKind, files []id.ID) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(extensionsAtOnce)
	now := time.Now()
	for _, i := range files {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			r, err := a.locker.Retention(gctx, k.Key(i))
			if errors.Is(err, storage.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("retention of %s %s: %w", k, i.Short(), err)
			}
			// Stores tell of the retentions that hold; those that ended a moment
			// ago, by this clock, do no harm here.
			if !r.IsZero() && r.Until.After(now.Add(-time.Hour)) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.until[i] = r.Until
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// report counts the packs whose bytes stay for a while.
func (a *lockAsker) report() {
	for i, until := range a.until {
		a.count(i, until)
	}
}

func (a *lockAsker) count(i id.ID, until time.Time) {
	t := &a.p.Stats
	t.Locked.Count++
	if s := a.p.find(i); s != nil {
		t.Locked.Bytes += s.unused.Bytes
	}
	if until.After(t.LockedUntil) {
		t.LockedUntil = until
	}
}

// spare takes what is locked out of the plan.
func (a *lockAsker) spare() {
	p := a.p
	p.Stats.LockedStay = len(a.until) > 0
	for i, until := range a.until {
		a.count(i, until)
		if s := p.find(i); s != nil {
			s.action = keepPack
		}
	}
	p.unindexed = slices.DeleteFunc(p.unindexed, func(i id.ID) bool {
		_, locked := a.until[i]
		return locked
	})
	p.Stats.Unindexed.Count = uint64(len(p.unindexed))
	if len(p.unindexed) == 0 {
		p.Stats.Unindexed.Bytes = 0
	}
}

// spareIndex keeps every pack while one of the index files that would be
// replaced is locked: it would go on listing packs that are gone.
func (a *lockAsker) spareIndex(ctx context.Context) error {
	p := a.p
	replaced := p.repo.PlanReindex(p.isForgotten, p.damaged).Replaced
	clear(a.until)
	if err := a.ask(ctx, repository.IndexFile, replaced); err != nil {
		return err
	}
	if len(a.until) == 0 {
		return nil
	}
	for i := range p.packs {
		p.packs[i].action = keepPack
	}
	p.indexLocked = true
	p.tally()
	p.warn("index", fmt.Errorf("%d of the index files that prune has to replace are locked, and the place keeps no versions, so that they cannot be deleted: %w; turn versioning on (`holdfast storage apply`), and prune can work", len(a.until), storage.ErrImmutable))
	return nil
}
