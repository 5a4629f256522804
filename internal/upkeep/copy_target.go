package upkeep

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
)

// target is a destination while a copy is under way.
type target struct {
	*Destination
	writer *repository.Writer
	had    atomic.Pointer[repository.Index] // as it was when it was last looked at
	shared atomic.Bool                      // others bring something, too
	blobs  Counter

	// complete are snapshots all of whose blobs are given to the writer.
	complete []*snapshot.Snapshot

	mu  sync.Mutex
	err error
}

func newTarget(d *Destination, w *repository.Writer) *target {
	t := &target{Destination: d, writer: w}
	t.shared.Store(d.Repository.Others() > 0)
	t.lookAnew()
	return t
}

// lookAnew takes note of what is there by now.
func (d *target) lookAnew() { d.had.Store(d.Repository.Index().Frozen()) }

// lacks tells whether a blob was not there when it was last looked at what is.
func (d *target) lacks(h blob.Handle) bool { return !d.had.Load().Has(h) }

// wants tells whether a snapshot is to be copied there.
func (d *target) wants(s *snapshot.Snapshot) bool {
	return slices.ContainsFunc(d.Snapshots, func(o *snapshot.Snapshot) bool { return o.ID == s.ID })
}

func (d *target) isShared() bool { return d.shared.Load() }

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

// saveComplete makes the blobs durable, then stores the snapshots that need
// them.
func (d *target) saveComplete(ctx context.Context, copied func(from, to *snapshot.Snapshot)) error {
	if err := d.writer.Flush(ctx); err != nil {
		return err
	}
	if len(d.complete) > 0 && d.isShared() {
		if err := d.leaveToOthers(ctx); err != nil {
			return err
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
