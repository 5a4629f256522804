package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// Prepare does what the plan says as far as it only adds: it stores the packs
// that take in what is of use in others, and the index files that take the
// place of others. A shared lock will do. It may be cut off anywhere: what is
// there twice does no harm, and the next prune ends that.
func (p *PrunePlan) Prepare(ctx context.Context) error {
	if p.prepared {
		return fmt.Errorf("prune: %w", errExecuted)
	}
	if p.repo.Config().Version < 2 {
		return fmt.Errorf("prune: %w", repository.ErrVersion1)
	}
	p.prepared = true
	if p.began.IsZero() {
		p.began = time.Now()
	}
	var unlisted []repository.PackContent
	if p.Stats.PacksRepack > 0 {
		var err error
		if unlisted, err = p.repack(ctx); err != nil {
			return err
		}
	}
	if p.indexLocked {
		return nil
	}
	_, done := p.o.Watch.start("rewrite index", Amount{})
	defer done()
	p.reindex = p.repo.PlanReindex(p.isForgotten, p.damaged)
	if err := p.reindex.Save(ctx, unlisted); err != nil {
		return fmt.Errorf("rewrite index; no pack was deleted: %w", err)
	}
	p.files = p.repo.Index().Files()
	return nil
}

// Execute deletes, in the order that a crash cannot hurt: when the index that
// lists what stays is there, old index files go, then old packs. Packs that
// cannot be deleted are reported and left: the next prune finds them. It needs
// the exclusive lock, held since the plan was made or with CatchUp before it.
// While Left returns more than 0 it may be called again.
//
// Without Prepare before it, it does that, too.
func (p *PrunePlan) Execute(ctx context.Context) error {
	switch {
	case p.executed && len(p.left) == 0:
		return fmt.Errorf("prune: %w", errExecuted)
	case p.executed:
		return p.removePacks(ctx)
	case !p.prepared:
		return p.executeAll(ctx)
	}
	p.executed = true
	if p.reindex != nil {
		if err := p.reindex.Remove(ctx, p.rescued); err != nil {
			return fmt.Errorf("rewrite index; no pack was deleted: %w", err)
		}
	}
	p.left = slices.Concat(p.unindexed, p.Remove(), p.Repack())
	return p.removePacks(ctx)
}

// executeAll does all that the plan says under one lock. What is of no use to
// anybody goes first, and may make room for what is written.
func (p *PrunePlan) executeAll(ctx context.Context) error {
	if p.repo.Config().Version < 2 {
		return fmt.Errorf("prune: %w", repository.ErrVersion1)
	}
	p.began = time.Now()
	p.left, p.unindexed = p.unindexed, nil
	if err := p.removePacks(ctx); err != nil {
		return err
	}
	if len(p.left) == 0 {
		if err := p.Prepare(ctx); err != nil {
			return err
		}
		if err := p.Execute(ctx); err != nil {
			return err
		}
	}
	return p.Clean(ctx)
}

// repack moves the used blobs out of the packs that will go. It returns the new
// packs that are still to be listed.
func (p *PrunePlan) repack(ctx context.Context) (unlisted []repository.PackContent, err error) {
	moving, err := p.notKept(ctx)
	if err != nil {
		return nil, err
	}
	counter, done := p.o.Watch.start("rewrite packs", p.Stats.toMove())
	defer done()
	w, err := p.repo.NewWriter(ctx, p.o.Writer)
	if err != nil {
		return nil, err
	}
	err = p.move(ctx, moving, w, counter)
	switch {
	case err != nil:
	case p.indexLocked: // then no other index file will be written
		err = w.Flush(ctx)
	default:
		unlisted, err = w.FlushPacks(ctx)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("rewrite packs: %w", err)
	}
	if n := moving.len(); n > 0 {
		return nil, fmt.Errorf("%d blobs are neither in packs that stay nor in new ones; no pack was deleted; please report this", n)
	}
	return unlisted, nil
}

// notKept returns the used blobs that no pack holds which stays: those that
// must move.
func (p *PrunePlan) notKept(ctx context.Context) (bitset, error) {
	moving := p.used.clone()
	kept := func(i id.ID) bool { return p.find(i).action == keepPack }
	return moving, p.index.ByPack(ctx, kept, func(_ id.ID, blobs []blob.Blob) error {
		for _, b := range blobs {
			moving.remove(p.position(b.Handle))
		}
		return nil
	})
}

// packsAtOnce bounds the packs being read in parallel. Each reader may need a
// second one of the repository's readers, for a copy of a damaged blob.
const packsAtOnce = 3

// move stores what moves in new packs.
func (p *PrunePlan) move(ctx context.Context, moving bitset, w *repository.Writer, counter *Counter) error {
	m := mover{from: p.repo, save: into(w), counter: counter}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(packsAtOnce)
	repacked := func(i id.ID) bool { return p.find(i).action == repackPack }
	moved, frees := 0, false
	err := p.index.ByPack(gctx, repacked, func(pack id.ID, blobs []blob.Blob) error {
		// Each prune gets somewhere: it frees something, or makes one pack of two
		// small ones, of which three have two of a kind.
		if (frees || moved >= 3) && p.timeIsUp() {
			p.leave(moving, pack, blobs)
			return gctx.Err()
		}
		var needed []blob.Blob
		for _, b := range blobs {
			if moving.remove(p.position(b.Handle)) {
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

// timeIsUp tells whether the work should come to its end.
func (p *PrunePlan) timeIsUp() bool {
	return p.o.MaxTime > 0 && time.Since(p.began) >= p.o.MaxTime
}

// leave keeps a pack that was to be rewritten: what is needed of it stays
// where it is.
func (p *PrunePlan) leave(moving bitset, pack id.ID, blobs []blob.Blob) {
	p.cut = true
	p.find(pack).action = keepPack
	p.Stats.PacksRepack--
	p.Stats.PacksKeep++
	for _, b := range blobs {
		p.Stats.Repack.Count--
		p.Stats.Repack.Bytes -= uint64(b.Length)
		if !moving.remove(p.position(b.Handle)) {
			p.Stats.RepackRemoved.Count--
			p.Stats.RepackRemoved.Bytes -= uint64(b.Length)
		}
	}
}

// removePacks deletes the packs that are left until the time of the slice is
// up, or that of the work.
func (p *PrunePlan) removePacks(ctx context.Context) error {
	if len(p.left) > 0 {
		_, done := p.o.Watch.start("delete packs", Amount{Count: uint64(len(p.left))})
		defer done()
	}
	for began := time.Now(); len(p.left) > 0; {
		batch := p.left[:min(removedAtOnce(p.repo.Store()), len(p.left))]
		err := p.repo.RemoveFiles(ctx, repository.PackFile, batch, func(i id.ID, err error) {
			p.warn(i.String(), err)
		})
		if err != nil {
			return err
		}
		// They are in no index: if this prune does not delete them, the next one does.
		p.left = p.left[len(batch):]
		if p.timeIsUp() || p.o.Slice > 0 && time.Since(began) >= p.o.Slice {
			break
		}
	}
	return context.Cause(ctx)
}

// removedAtOnce is how many files are deleted before the time is looked at: as
// many as stores take in one request that take many, else some rounds of those
// that are deleted at once.
func removedAtOnce(s storage.Store) int {
	if _, ok := storage.As[storage.BatchDeleter](s); ok {
		return 1000
	}
	return 64
}

// Clean removes what killed processes left in the store that is no object. Any
// lock will do.
func (p *PrunePlan) Clean(ctx context.Context) error {
	if c, ok := storage.As[storage.Cleaner](p.repo.Store()); ok {
		if err := c.Clean(ctx); err != nil {
			p.warn(p.repo.Location(), err)
		}
	}
	return context.Cause(ctx)
}
