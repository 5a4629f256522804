package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// CatchUp brings the plan in line with what others did since it was made, or
// since the last call: backups under way then have ended, and others came and
// went. It takes as long as what they added is large, however large the
// repository is: only trees are read that no snapshot had before.
//
// It needs the exclusive lock, for Execute to follow; calling it before, under
// a shared one, leaves less to do then. The error wraps ErrOutdated when another
// plan has to be made, and ErrIncomplete as with PlanPrune.
func (p *PrunePlan) CatchUp(ctx context.Context) error {
	snapshots, err := p.newSnapshots(ctx) // before the index: see Repository.Snapshots
	if err != nil {
		return err
	}
	arrived, err := p.newIndex(ctx)
	if err != nil {
		return err
	}
	p.spareListed(arrived)
	if p.executed || len(snapshots) == 0 {
		return nil // what is left to delete was in no snapshot and no index file
	}
	return p.findUsedSince(ctx, arrived, snapshots)
}

// newSnapshots loads the snapshots that the plan has not looked at.
func (p *PrunePlan) newSnapshots(ctx context.Context) (fresh []*snapshot.Snapshot, err error) {
	var unknown []id.ID
	err = p.repo.ListFiles(ctx, repository.SnapshotFile, func(i id.ID, _ int64) error {
		if !p.looked.Has(i) {
			unknown = append(unknown, i)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, i := range unknown {
		s, err := p.repo.LoadSnapshot(ctx, i)
		if errors.Is(err, storage.ErrNotFound) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("load snapshot %s, to find out what it needs; nothing was deleted: %w", i.Short(), err)
		}
		fresh = append(fresh, s)
	}
	return fresh, nil
}

// newIndex loads the index as it is now. All files that the plan goes by must
// be in it: else others have removed what it relies on.
func (p *PrunePlan) newIndex(ctx context.Context) (*repository.Index, error) {
	err := p.repo.LoadIndex(ctx)
	damaged, ok := repository.DamagedIndexFiles(err)
	if !ok {
		return nil, err
	}
	for _, i := range damaged {
		if !slices.Contains(p.damaged, i) {
			return nil, fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
	}
	arrived := p.repo.Index().Frozen()
	live := id.NewSet(arrived.Files()...)
	for _, i := range p.files {
		if !p.executed && !live.Has(i) {
			return nil, fmt.Errorf("prune: %w: index file %s is gone", ErrOutdated, i.Short())
		}
	}
	return arrived, nil
}

// spareListed keeps packs that index files list which are new: those of
// backups that were under way, and of killed ones that others went on with.
func (p *PrunePlan) spareListed(arrived *repository.Index) {
	known := id.NewSet(p.files...)
	listed := make(id.Set)
	for l := range arrived.Listings() {
		if known.Has(l.File) {
			continue
		}
		listed.Add(l.Pack)
		if s := p.find(l.Pack); s != nil && s.action != keepPack {
			p.rescue(s)
		}
	}
	p.tally()
	p.unindexed = slices.DeleteFunc(p.unindexed, listed.Has)
	p.left = slices.DeleteFunc(p.left, listed.Has)
}

// findUsedSince walks the trees of snapshots that are new, as far as they are
// new themselves, and keeps the packs with what they need.
func (p *PrunePlan) findUsedSince(ctx context.Context, arrived *repository.Index, snapshots []*snapshot.Snapshot) error {
	trees, done := p.o.Watch.start("find data used since", Amount{})
	defer done()
	var roots []id.ID
	for _, s := range snapshots {
		roots = append(roots, s.Tree)
	}
	var rescuing sync.Mutex
	w := reach{
		repo: p.repo, index: arrived, found: newBitset(arrived.Len()), trees: trees,
		before: p.isUsed,
		each: func(_ context.Context, h blob.Handle, _ int) error {
			rescuing.Lock()
			defer rescuing.Unlock()
			return p.need(arrived, h)
		},
	}
	err := w.from(ctx, roots)
	var missing *MissingError
	if errors.As(err, &missing) {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		p.looked.Add(s.ID)
	}
	p.tally()
	return nil
}

// isUsed tells whether the plan knows that a blob is needed. Of a tree, it
// knows all that is below it then.
func (p *PrunePlan) isUsed(h blob.Handle) bool {
	i, ok := p.index.Position(h)
	return ok && p.used.has(i)
}

// need sees to it that a blob stays which nobody needed when the plan was made.
func (p *PrunePlan) need(arrived *repository.Index, h blob.Handle) error {
	var holder *packState
	for _, l := range arrived.LookupAll(nil, h) {
		s := p.find(l.Pack)
		if s == nil || s.action == keepPack && s.stored {
			return nil // it is new, or stays anyway
		}
		if s.stored {
			holder = s
		}
	}
	if holder == nil {
		return fmt.Errorf("%w:\n%s, which a new snapshot needs, is only in packs that are gone", ErrIncomplete, h)
	}
	p.rescue(holder)
	return nil
}

// rescue keeps a pack that was to go. What is of no use in it is for another
// prune.
func (p *PrunePlan) rescue(s *packState) {
	s.action = keepPack
	if p.prepared { // else it will be listed like all that stay
		p.rescued.Add(s.id)
	}
}
