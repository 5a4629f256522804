package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

const (
	// copyBatchBlobs bounds the blobs that are gathered before they are read
	// pack by pack, and so the memory for them: about 100 bytes each.
	copyBatchBlobs = 50_000
	// copyFlushBytes is after how much copied data the snapshots that are
	// complete are stored. Storing each at once would leave packs that are
	// not full behind.
	copyFlushBytes = 1 << 30
)

// CopyOptions tell how snapshots are copied.
type CopyOptions struct {
	// Writer tells how blobs are stored in the destination.
	Writer repository.WriterOptions
	// Watch, if set, is told how far the work is.
	Watch Watch
	// OnCopied, if set, is told of every snapshot that is stored.
	OnCopied func(from, to *snapshot.Snapshot)
}

// CopyReceipt tells what a copy did.
type CopyReceipt struct {
	// Copied are the new snapshots in the destination.
	Copied []*snapshot.Snapshot
	// Blobs is what was copied, in bytes as the source stores them.
	Blobs Amount
}

// Copied returns, for a snapshot, the copy of it among some snapshots of
// another repository, or nil. A copy says the same of everything but its
// parent, and has the same original.
func Copied(s *snapshot.Snapshot, others []*snapshot.Snapshot) *snapshot.Snapshot {
	for _, o := range others {
		if originalOf(o) == originalOf(s) && sameState(s, o) {
			return o
		}
	}
	return nil
}

func originalOf(s *snapshot.Snapshot) id.ID {
	if s.Original != nil {
		return *s.Original
	}
	return s.ID
}

func sameState(a, b *snapshot.Snapshot) bool {
	return a.Time.Equal(b.Time) && a.Tree == b.Tree &&
		a.Hostname == b.Hostname && a.Username == b.Username && a.UID == b.UID && a.GID == b.GID &&
		slices.Equal(a.Excludes, b.Excludes) && sameSet(a.Paths, b.Paths) && sameSet(a.Tags, b.Tags)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Copy copies snapshots from one repository to another, oldest first: the
// blobs that the other one lacks, byte for byte and hashed on the way, then
// the snapshots. Both indexes must be loaded, and locks held on both. A copy
// that is cut off goes on where it was when it is run again.
func Copy(ctx context.Context, from, to *repository.Repository, snapshots []*snapshot.Snapshot, o CopyOptions) (*CopyReceipt, error) {
	w, err := to.NewWriter(ctx, o.Writer)
	if err != nil {
		return nil, err
	}
	counter, done := o.Watch.start("copy", Amount{})
	defer done()
	c := &copier{from: from, to: to, o: o, writer: w, counter: counter, index: from.Index().Frozen(), had: to.Index().Frozen()}
	c.reach = reach{repo: from, index: c.index, found: newBitset(c.index.Len()), each: c.want, trees: new(Counter)}
	err = c.copyAll(ctx, snapshot.Sorted(snapshots))
	c.receipt.Blobs = Amount{Count: counter.Items.Load(), Bytes: counter.Bytes.Load()}
	return &c.receipt, errors.Join(err, w.Close())
}

// copier is a copy under way.
type copier struct {
	from, to *repository.Repository
	o        CopyOptions
	writer   *repository.Writer
	counter  *Counter
	index    *repository.Index // of the source
	had      *repository.Index // of the destination, as it was
	reach    reach
	receipt  CopyReceipt

	// complete are snapshots all of whose blobs are given to the writer.
	complete []*snapshot.Snapshot
	flushed  uint64 // bytes copied when snapshots were last stored

	mu    sync.Mutex
	batch []blob.Blob // what the destination lacks and is not copied yet
}

func (c *copier) copyAll(ctx context.Context, snapshots []*snapshot.Snapshot) error {
	for _, s := range snapshots {
		if err := c.reach.from(ctx, []id.ID{s.Tree}); err != nil {
			return fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
		}
		c.complete = append(c.complete, s)
		if err := c.copyBatch(ctx); err != nil {
			return fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
		}
		if c.counter.Bytes.Load()-c.flushed < copyFlushBytes {
			continue
		}
		if err := c.saveComplete(ctx); err != nil {
			return err
		}
	}
	return c.saveComplete(ctx)
}

// want notes a blob that the destination lacks. When many have gathered, the
// goroutine that found the last one copies them all; the others wait.
func (c *copier) want(ctx context.Context, h blob.Handle, position int) error {
	if c.had.Has(h) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch = append(c.batch, c.index.At(position))
	if len(c.batch) < copyBatchBlobs {
		return nil
	}
	return c.copyBatch(ctx)
}

// copyBatch copies what has gathered, pack by pack, each in the order of its
// blobs.
func (c *copier) copyBatch(ctx context.Context) error {
	slices.SortFunc(c.batch, func(a, b blob.Blob) int {
		if order := a.Pack.Compare(b.Pack); order != 0 {
			return order
		}
		return int(a.Offset) - int(b.Offset)
	})
	m := mover{from: c.from, to: c.writer, counter: c.counter}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(packsAtOnce)
	for rest := c.batch; len(rest) > 0 && gctx.Err() == nil; {
		n := 1
		for n < len(rest) && rest[n].Pack == rest[0].Pack {
			n++
		}
		blobs := rest[:n]
		rest = rest[n:]
		g.Go(func() error { return m.pack(gctx, blobs[0].Pack, blobs) })
	}
	err := g.Wait()
	c.batch = c.batch[:0]
	return err
}

// saveComplete makes the blobs durable, then stores the snapshots that need
// them.
func (c *copier) saveComplete(ctx context.Context) error {
	if err := c.writer.Flush(ctx); err != nil {
		return err
	}
	for _, s := range c.complete {
		copied := s.Edited()
		copied.Parent = nil // it is known only where it was made
		if err := c.to.SaveSnapshot(ctx, copied); err != nil {
			return err
		}
		c.receipt.Copied = append(c.receipt.Copied, copied)
		if c.o.OnCopied != nil {
			c.o.OnCopied(s, copied)
		}
	}
	c.complete, c.flushed = nil, c.counter.Bytes.Load()
	return nil
}
