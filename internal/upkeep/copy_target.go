package upkeep

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// target is a destination while a copy is under way.
type target struct {
	*Destination
	writer *repository.Writer
	had    *repository.Index // as it was at first
	blobs  Counter

	// complete are snapshots all of whose blobs are given to the writer.
	complete []*snapshot.Snapshot
	// proven are the packs that were read back.
	proven id.Set

	mu  sync.Mutex
	err error
}

// failed returns why the destination was given up, if it was.
func (d *target) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// fail gives the destination up, for the first reason given.
func (d *target) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}

// save stores a blob.
func (d *target) save(ctx context.Context, b blob.Blob, plain []byte) {
	saved, err := d.writer.Save(ctx, b.Type, plain)
	if err != nil {
		d.fail(err)
		return
	}
	if !saved.Known {
		d.blobs.Items.Add(1)
		d.blobs.Bytes.Add(uint64(b.Length))
	}
}

// saveComplete makes the blobs durable and, if asked, reads them back, then
// stores the snapshots that need them.
func (d *target) saveComplete(ctx context.Context, readBack bool, copied func(from, to *snapshot.Snapshot)) error {
	if err := d.writer.Flush(ctx); err != nil {
		return err
	}
	if readBack {
		if err := d.readBack(ctx); err != nil {
			return fmt.Errorf("read back what was copied: %w", err)
		}
	}
	for _, s := range d.complete {
		c := s.Edited()
		c.Parent = nil // it is known only where it was made
		if err := d.Repository.SaveSnapshot(ctx, c); err != nil {
			return err
		}
		d.Receipt.Copied = append(d.Receipt.Copied, c)
		copied(s, c)
	}
	d.complete = nil
	return nil
}

// readBack proves the packs that are new and were not read back before.
func (d *target) readBack(ctx context.Context) error {
	if d.proven == nil {
		d.proven = make(id.Set)
		for p := range d.had.Packs() {
			d.proven.Add(p)
		}
	}
	packs, err := provePacks(ctx, d.Repository, func(p id.ID) bool { return !d.proven.Has(p) })
	for p, sizeBytes := range packs {
		d.proven.Add(p)
		d.Receipt.ReadBack.add(uint64(sizeBytes)) //nolint:gosec // sizes are not negative
	}
	return err
}

// provePacks reads packs from beginning to end, and holds every blob against
// its hash and the index. It returns the sizes of those that are sound, and
// stops at the first that is not.
func provePacks(ctx context.Context, r *repository.Repository, wanted func(id.ID) bool) (map[id.ID]int64, error) {
	var mu sync.Mutex
	sound := make(map[id.ID]int64)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(packsAtOnce)
	err := r.Index().ByPack(gctx, wanted, func(pack id.ID, blobs []blob.Blob) error {
		blobs = append([]blob.Blob(nil), blobs...)
		g.Go(func() error {
			err := r.NewPackVerifier().Verify(gctx, pack, blobs, func(_ blob.Blob, _ []byte, err error) error { return err })
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			sound[pack] = repository.PackSize(blobs)
			return nil
		})
		return context.Cause(gctx)
	})
	if gerr := g.Wait(); gerr != nil {
		err = gerr // what stopped ByPack
	}
	return sound, err
}
