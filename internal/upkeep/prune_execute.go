package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// Execute does what the plan says, in the order that a crash cannot hurt:
// new packs, the index that lists them, old index files, old packs. Packs
// that cannot be deleted are reported and left: the next prune finds them.
func (p *PrunePlan) Execute(ctx context.Context) error {
	if p.executed {
		return fmt.Errorf("prune: %w", errExecuted)
	}
	if p.repo.Config().Version < 2 {
		return fmt.Errorf("prune: %w", repository.ErrVersion1)
	}
	p.executed, p.began = true, time.Now()
	if err := p.removePacks(ctx, "delete unindexed packs", p.unindexed); err != nil {
		return err
	}
	if p.cut {
		return p.clean(ctx)
	}
	if err := p.repack(ctx); err != nil {
		return err
	}
	if err := p.reindex(ctx); err != nil {
		return err
	}
	old := append(p.Remove(), p.Repack()...)
	if err := p.removePacks(ctx, "delete packs", old); err != nil {
		return err
	}
	return p.clean(ctx)
}

// repack moves the used blobs out of the packs that will go.
func (p *PrunePlan) repack(ctx context.Context) error {
	if p.Stats.PacksRepack == 0 {
		return nil
	}
	if err := p.leaveKept(ctx); err != nil {
		return err
	}
	counter, done := p.o.Watch.start("rewrite packs", p.Stats.toMove())
	defer done()
	w, err := p.repo.NewWriter(ctx, p.o.Writer)
	if err != nil {
		return err
	}
	err = p.move(ctx, w, counter)
	if err == nil {
		err = w.Flush(ctx)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("rewrite packs: %w", err)
	}
	if n := p.used.len(); n > 0 {
		return fmt.Errorf("%d blobs are neither in packs that stay nor in new ones; no pack was deleted; please report this", n)
	}
	return nil
}

// leaveKept takes those blobs out of p.used that packs hold which stay: what
// is left must move.
func (p *PrunePlan) leaveKept(ctx context.Context) error {
	kept := func(i id.ID) bool { return p.find(i).action == keepPack }
	return p.index.ByPack(ctx, kept, func(_ id.ID, blobs []blob.Blob) error {
		for _, b := range blobs {
			p.used.remove(p.position(b.Handle))
		}
		return nil
	})
}

// packsAtOnce bounds the packs being read in parallel. Each reader may need a
// second one of the repository's readers, for a copy of a damaged blob.
const packsAtOnce = 3

// move stores what is left in p.used in new packs.
func (p *PrunePlan) move(ctx context.Context, w *repository.Writer, counter *Counter) error {
	m := mover{from: p.repo, save: into(w), counter: counter}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(packsAtOnce)
	repacked := func(i id.ID) bool { return p.find(i).action == repackPack }
	moved, frees := 0, false
	err := p.index.ByPack(gctx, repacked, func(pack id.ID, blobs []blob.Blob) error {
		// Each prune gets somewhere: it frees something, or makes one pack of two
		// small ones, of which three have two of a kind.
		if (frees || moved >= 3) && p.timeIsUp() {
			p.leave(pack, blobs)
			return gctx.Err()
		}
		var needed []blob.Blob
		for _, b := range blobs {
			if p.used.remove(p.position(b.Handle)) {
				needed = append(needed, b)
			}
		}
		moved++
		frees = frees || len(needed) < len(blobs)
		g.Go(m.start(gctx, pack, needed))
		return gctx.Err()
	})
	if werr := g.Wait(); werr != nil {
		return werr
	}
	return err
}

// timeIsUp tells whether Execute should come to its end.
func (p *PrunePlan) timeIsUp() bool {
	return p.o.MaxTime > 0 && time.Since(p.began) >= p.o.MaxTime
}

// leave keeps a pack that was to be rewritten: what is needed of it stays
// where it is.
func (p *PrunePlan) leave(pack id.ID, blobs []blob.Blob) {
	p.cut = true
	p.find(pack).action = keepPack
	p.Stats.PacksRepack--
	p.Stats.PacksKeep++
	for _, b := range blobs {
		p.Stats.Repack.Count--
		p.Stats.Repack.Bytes -= uint64(b.Length)
		if !p.used.remove(p.position(b.Handle)) {
			p.Stats.RepackRemoved.Count--
			p.Stats.RepackRemoved.Bytes -= uint64(b.Length)
		}
	}
}

// reindex makes the index list what will be there after the end. After it,
// nothing refers to the packs that go.
func (p *PrunePlan) reindex(ctx context.Context) error {
	if p.indexLocked {
		return nil
	}
	_, done := p.o.Watch.start("rewrite index", Amount{})
	defer done()
	if err := p.repo.PlanReindex(p.isForgotten, p.damaged).Execute(ctx); err != nil {
		return fmt.Errorf("rewrite index; no pack was deleted: %w", err)
	}
	return nil
}

func (p *PrunePlan) removePacks(ctx context.Context, phase string, packs []id.ID) error {
	if len(packs) == 0 {
		return nil
	}
	_, done := p.o.Watch.start(phase, Amount{Count: uint64(len(packs))})
	defer done()
	for len(packs) > 0 {
		batch := packs[:min(removedAtOnce, len(packs))]
		packs = packs[len(batch):]
		err := p.repo.RemoveFiles(ctx, repository.PackFile, batch, func(i id.ID, err error) {
			p.warn(i.String(), err)
		})
		if err != nil {
			return err
		}
		if len(packs) > 0 && p.timeIsUp() {
			p.cut = true // they are in no index now: the next prune begins with them
			return nil
		}
	}
	return nil
}

// removedAtOnce is how many packs are deleted before it is asked whether the
// time is up: stores that take many keys in one request take 1000.
const removedAtOnce = 1000

// clean removes what killed processes left in the store that is no object.
func (p *PrunePlan) clean(ctx context.Context) error {
	if c, ok := storage.As[storage.Cleaner](p.repo.Store()); ok {
		if err := c.Clean(ctx); err != nil {
			p.warn(p.repo.Location(), err)
		}
	}
	return context.Cause(ctx)
}
