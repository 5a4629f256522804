package repair

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

const (
	// headersAtOnce bounds the pack headers read in parallel: enough to hide
	// the latency of a remote store.
	headersAtOnce = 8
	// batchBlobs is how many blobs fill an index file, as in backups.
	batchBlobs = 50_000
)

// IndexOptions tell how the index is repaired.
type IndexOptions struct {
	// ReadAllPacks compares what index files say with the header of every
	// pack. Without it only packs are read that are not listed, or that have
	// not the size they should.
	ReadAllPacks bool
	// DryRun changes nothing.
	DryRun bool
	Locked Locked
}

// IndexReport tells what repairing the index found and did.
type IndexReport struct {
	// Damaged are the index files that made no sense.
	Damaged []id.ID
	// Missing are packs that were listed and do not exist. They are listed no
	// more.
	Missing []id.ID
	// Added were not listed, Corrected were listed wrongly.
	Added, Corrected []id.ID
	// Broken are packs whose header cannot be read; what was listed of them
	// stays, for Packs to save what is whole.
	Broken []id.ID
	// Replaced counts the index files that were replaced by new ones.
	Replaced int
}

// Index makes the index files list what the packs hold: those that are there,
// each once and as its own header says.
func Index(ctx context.Context, r *repository.Repository, o IndexOptions) (*IndexReport, error) {
	x := &indexer{r: r, options: o, stored: make(map[id.ID]int64)}
	if err := o.Locked.do(ctx, repository.Shared, x.findOut); err != nil {
		return nil, err
	}
	if o.DryRun || x.report.Replaced == 0 {
		return &x.report, nil
	}
	return &x.report, o.Locked.do(ctx, repository.Exclusive, x.replace)
}

// findOut compares the index with the packs, and stores the index files that
// are missing or take the place of others.
func (x *indexer) findOut(ctx context.Context) error {
	bad, err := x.r.ReloadIndex(ctx)
	if err != nil {
		return err
	}
	if x.report.Damaged, err = damagedIndexes(bad); err != nil {
		return err
	}
	if err := x.compareListed(ctx); err != nil {
		return err
	}
	// The plan is for the index as it is now: it must not take what is about
	// to be added for something listed twice.
	drop := id.NewSet(slices.Concat(x.report.Missing, x.report.Corrected)...)
	x.plan = x.r.PlanReindex(drop.Has, x.report.Damaged)
	x.report.Replaced = len(x.plan.Replaced)
	if err := x.readUnlisted(ctx); err != nil {
		return err
	}
	if err := x.save(ctx, 0); err != nil || x.options.DryRun {
		return err
	}
	if err := x.plan.Save(ctx, nil); err != nil {
		return err
	}
	x.files = x.r.Index().Files()
	return nil
}

// replace deletes the index files in whose place others are now. Packs that were
// missing and came back are listed still.
func (x *indexer) replace(ctx context.Context) error {
	if err := x.options.Locked.catchUp(ctx, x.r, x.files); err != nil {
		return err
	}
	back := make(id.Set)
	if x.options.Locked != nil && len(x.report.Missing) > 0 {
		missing := id.NewSet(x.report.Missing...)
		err := x.r.ListFiles(ctx, repository.PackFile, func(i id.ID, _ int64) error {
			if missing.Has(i) {
				back.Add(i)
			}
			return nil
		})
		if err != nil {
			return err
		}
		x.report.Missing = slices.DeleteFunc(x.report.Missing, back.Has)
	}
	return x.plan.Remove(ctx, back)
}

// indexer finds out what index files should say.
type indexer struct {
	r       *repository.Repository
	options IndexOptions
	// plan replaces index files, and files must be there for that.
	plan  *repository.Reindex
	files []id.ID
	// stored holds the sizes in bytes of the packs that nothing was made of yet.
	stored map[id.ID]int64

	mu     sync.Mutex
	report IndexReport
	// found are the packs to be listed, with so many blobs.
	found []repository.PackContent
	blobs int
}

// compareListed holds what is listed against what is there, and leaves in
// x.stored what is not listed.
func (x *indexer) compareListed(ctx context.Context) error {
	err := x.r.ListFiles(ctx, repository.PackFile, func(i id.ID, sizeBytes int64) error {
		x.stored[i] = sizeBytes
		return nil
	})
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(headersAtOnce)
	err = x.r.Index().ByPack(gctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		sizeBytes, ok := x.stored[pack]
		delete(x.stored, pack)
		switch {
		case !ok:
			x.add(&x.report.Missing, pack)
		case x.options.ReadAllPacks || sizeBytes != repository.PackSize(blobs):
			listed := slices.Clone(blobs)
			g.Go(func() error { return x.readListed(gctx, pack, sizeBytes, listed) })
		}
		return nil
	})
	// What stopped the readers is why ByPack stopped, too.
	return cmp.Or(g.Wait(), err)
}

// readUnlisted adds the packs that no index file lists, as it finds them: all
// of them may be too many to remember.
func (x *indexer) readUnlisted(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(headersAtOnce)
	for pack, sizeBytes := range x.stored {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			blobs, err := x.readHeader(gctx, pack, sizeBytes)
			if err != nil || blobs == nil {
				return err
			}
			x.add(&x.report.Added, pack)
			x.list(pack, blobs)
			return x.save(gctx, batchBlobs)
		})
	}
	return cmp.Or(g.Wait(), context.Cause(ctx))
}

func (x *indexer) add(list *[]id.ID, pack id.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*list = append(*list, pack)
}

// readListed corrects what is listed of a pack.
func (x *indexer) readListed(ctx context.Context, pack id.ID, sizeBytes int64, listed []blob.Blob) error {
	blobs, err := x.readHeader(ctx, pack, sizeBytes)
	if err != nil || blobs == nil || slices.Equal(blobs, listed) {
		return err
	}
	x.add(&x.report.Corrected, pack)
	x.list(pack, blobs)
	return nil // saved when the plan is made
}

// readHeader returns nil for a pack whose header is damaged.
func (x *indexer) readHeader(ctx context.Context, pack id.ID, sizeBytes int64) ([]blob.Blob, error) {
	blobs, err := x.r.ReadPackHeader(ctx, pack, sizeBytes)
	if repository.IsCorrupt(err) {
		x.add(&x.report.Broken, pack)
		return nil, nil
	}
	return blobs, err
}

func (x *indexer) list(pack id.ID, blobs []blob.Blob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.found = append(x.found, repository.PackContent{ID: pack, Blobs: blobs})
	x.blobs += len(blobs)
}

// save stores what was found in new index files once it is so many blobs.
func (x *indexer) save(ctx context.Context, atLeast int) error {
	x.mu.Lock()
	found := x.found
	if len(found) == 0 || x.blobs < atLeast {
		x.mu.Unlock()
		return nil
	}
	x.found, x.blobs = nil, 0
	x.mu.Unlock()
	if x.options.DryRun {
		return nil
	}
	for len(found) > 0 {
		n := fileLength(found)
		if _, err := x.r.SaveIndex(ctx, found[:n]); err != nil {
			return err
		}
		found = found[n:]
	}
	return nil
}

// fileLength returns how many of some packs go into one index file. All blobs
// of a pack stand in the same.
func fileLength(packs []repository.PackContent) int {
	blobs := 0
	for n, p := range packs {
		if blobs += len(p.Blobs); n > 0 && blobs > batchBlobs {
			return n
		}
	}
	return len(packs)
}
