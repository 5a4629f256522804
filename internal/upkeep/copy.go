package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
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
	// Writer tells how blobs are stored in the destinations.
	Writer repository.WriterOptions
	// Watch, if set, is told how far the work is.
	Watch Watch
	// OnCopied, if set, is told of every snapshot that is stored, one at a
	// time.
	OnCopied func(d *Destination, from, to *snapshot.Snapshot)
}

// Destination is a repository that snapshots are copied to. Its index is
// loaded and it is locked.
type Destination struct {
	Repository *repository.Repository
	// Snapshots are those that it lacks.
	Snapshots []*snapshot.Snapshot

	// Receipt is what was done, Err why it could not be finished, once Copy
	// has returned.
	Receipt CopyReceipt
	Err     error
}

// CopyReceipt tells what a copy did to one destination.
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
	if s == nil {
		return nil
	}
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

// Copy copies snapshots from one repository to others, oldest first: the
// blobs that each lacks, byte for byte and hashed on the way, then the
// snapshots. What several lack is read once. The index of the source must be
// loaded, and a lock held on it. A copy that is cut off goes on where it was
// when it is run again.
//
// A snapshot that needs what the source has lost is left out, and the others are
// copied: the error then wraps ErrLeftOut. A destination that fails is given up,
// with the reason in its Err, and the others go on. The error returned is that of the source, or of all
// destinations when each has failed. That what a destination's store has taken
// is there is for the store to make sure of: see storage/confirm.
func Copy(ctx context.Context, from *repository.Repository, to []*Destination, o CopyOptions) error {
	counter, done := o.Watch.start("copy", Amount{})
	defer done()
	c := &copier{from: from, o: o, counter: counter, index: from.Index().Frozen(), exchanged: time.Now()}
	var refused []error
	for _, d := range to {
		w, err := d.Repository.NewWriter(ctx, o.Writer)
		if err != nil {
			d.Err = err
			refused = append(refused, err)
			continue
		}
		c.to = append(c.to, newTarget(d, w))
	}
	if len(refused) > 0 && len(c.to) == 0 {
		return errors.Join(refused...)
	}
	// A walk that meets a loss ends; what is on its way to the writers does not,
	// for they would go no further.
	want := func(_ context.Context, h blob.Handle, position int) error { return c.want(ctx, h, position) }
	c.reach = reach{repo: from, index: c.index, found: newBitset(c.index.Len()), each: want, trees: new(Counter)}
	err := c.copyAll(ctx)
	return errors.Join(err, c.close())
}

// copier is a copy under way.
type copier struct {
	from    *repository.Repository
	o       CopyOptions
	counter *Counter
	index   *repository.Index // of the source
	to      []*target
	reach   reach
	flushed uint64 // bytes copied when snapshots were last stored

	// exchanged is when it was last looked at what others bring to the destinations.
	exchanged time.Time

	mu    sync.Mutex
	batch []blob.Blob // what some destination lacks and is not copied yet
}

// ErrLeftOut says that all was copied but snapshots of which the source has not
// all any more.
var ErrLeftOut = errors.New("not all can be copied, for something of it is damaged or lost; the other snapshots were copied; " +
	"`holdfast check --read-data` tells what is damaged, `holdfast repair --from` may heal it")

// errAllFailed says that no destination is left to copy to.
var errAllFailed = errors.New("no destination is left")

// maxNamedSnapshots bounds an error message.
const maxNamedSnapshots = 10

func (c *copier) copyAll(ctx context.Context) error {
	var leftOut []error
	for _, s := range c.wanted() {
		c.exchange(ctx)
		if !c.isWanted(s) {
			continue
		}
		err := c.copyOne(ctx, s)
		if errors.Is(err, errAllFailed) {
			return c.failures()
		}
		if err != nil || c.counter.Bytes.Load()-c.flushed >= copyFlushBytes {
			c.saveComplete(ctx)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
		if !isLoss(err) || ctx.Err() != nil {
			return err
		}
		if len(leftOut) < maxNamedSnapshots {
			leftOut = append(leftOut, err)
		}
		c.startAnew()
	}
	c.saveComplete(ctx)
	if context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	if len(c.alive()) == 0 {
		return c.failures()
	}
	if len(leftOut) > 0 {
		return fmt.Errorf("%w:\n%w", ErrLeftOut, errors.Join(leftOut...))
	}
	return nil
}

// isLoss tells whether an error of the source is for ever, and only of those
// snapshots that need what was lost.
func isLoss(err error) bool {
	var missing *MissingError
	return errors.As(err, &missing) || errors.Is(err, storage.ErrNotFound) || repository.IsCorrupt(err)
}

// startAnew forgets what was found for a snapshot that cannot be copied: not all
// of it was stored, and others may need it.
func (c *copier) startAnew() {
	c.batch = c.batch[:0]
	c.reach.found = newBitset(c.index.Len())
	for _, d := range c.alive() {
		d.lookAnew()
	}
}

// wanted returns the snapshots that any destination lacks, oldest first. Where
// others bring something, too, the newest is first: if they do the same the two
// meet halfway.
func (c *copier) wanted() []*snapshot.Snapshot {
	seen := make(id.Set)
	var all []*snapshot.Snapshot
	for _, d := range c.to {
		for _, s := range d.Snapshots {
			if !seen.Has(s.ID) {
				seen.Add(s.ID)
				all = append(all, s)
			}
		}
	}
	all = snapshot.Sorted(all)
	if c.isShared() {
		slices.Reverse(all)
	}
	return all
}

// isWanted tells whether any destination still lacks a snapshot.
func (c *copier) isWanted(s *snapshot.Snapshot) bool {
	return slices.ContainsFunc(c.to, func(d *target) bool { return d.wants(s) })
}

// isShared tells whether others bring something to any destination, too.
func (c *copier) isShared() bool { return slices.ContainsFunc(c.to, (*target).isShared) }

// copyOne hands everything that a snapshot needs to the writers.
func (c *copier) copyOne(ctx context.Context, s *snapshot.Snapshot) error {
	if err := c.reach.from(ctx, []id.ID{s.Tree}); err != nil {
		return err
	}
	if err := c.copyBatch(ctx); err != nil {
		return err
	}
	for _, d := range c.alive() {
		if d.wants(s) {
			d.complete = append(d.complete, s)
		}
	}
	return nil
}

// alive returns the destinations that have not failed.
func (c *copier) alive() []*target {
	return slices.DeleteFunc(slices.Clone(c.to), func(d *target) bool { return d.failed() != nil })
}

func (c *copier) failures() error {
	var errs []error
	for _, d := range c.to {
		errs = append(errs, d.failed())
	}
	return errors.Join(errs...)
}

// want notes a blob that a destination lacks. When many have gathered, the
// goroutine that found the last one copies them all; the others wait.
func (c *copier) want(ctx context.Context, h blob.Handle, position int) error {
	if !c.isLacking(h) {
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

// isLacking tells whether some destination lacks a blob.
func (c *copier) isLacking(h blob.Handle) bool {
	return slices.ContainsFunc(c.to, func(d *target) bool { return d.lacks(h) })
}

// copyBatch copies what has gathered, pack by pack, each in the order of its
// blobs.
func (c *copier) copyBatch(ctx context.Context) error {
	m := mover{from: c.from, save: c.save, counter: c.counter}
	var lost losses
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(packsAtOnce)
	for _, blobs := range c.packsOf(c.batch) {
		if gctx.Err() != nil {
			break
		}
		if c.exchange(gctx) {
			blobs = slices.DeleteFunc(blobs, func(b blob.Blob) bool { return !c.isLacking(b.Handle) })
		}
		if len(blobs) > 0 {
			g.Go(lost.besides(m.start(gctx, blobs[0].Pack, blobs)))
		}
	}
	err := g.Wait()
	c.batch = c.batch[:0]
	return errors.Join(err, lost.err)
}

// packsOf divides blobs by their packs.
func (c *copier) packsOf(batch []blob.Blob) (packs [][]blob.Blob) {
	slices.SortFunc(batch, func(a, b blob.Blob) int {
		if order := a.Pack.Compare(b.Pack); order != 0 {
			return order
		}
		return int(a.Offset) - int(b.Offset)
	})
	for rest := batch; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Pack == rest[0].Pack {
			n++
		}
		packs = append(packs, rest[:n:n])
		rest = rest[n:]
	}
	if c.isShared() { // who copies the same shall have begun with other packs
		rand.Shuffle(len(packs), func(i, k int) { packs[i], packs[k] = packs[k], packs[i] })
	}
	return packs
}

// losses gathers the errors of packs of which something is lost: they do not keep
// the others from being copied.
type losses struct {
	mu  sync.Mutex
	err error // the first
}

func (l *losses) besides(move func() error) func() error {
	return func() error {
		err := move()
		if !isLoss(err) {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err == nil {
			l.err = err
		}
		return nil
	}
}

// save gives a blob to every destination that lacks it.
func (c *copier) save(ctx context.Context, b blob.Blob, plain []byte) error {
	left := false
	for _, d := range c.to {
		if d.failed() != nil {
			continue
		}
		if d.lacks(b.Handle) {
			d.save(ctx, b, plain)
		}
		left = left || d.failed() == nil
	}
	if !left {
		return errAllFailed
	}
	return context.Cause(ctx)
}

// saveComplete stores the snapshots that are complete, in all destinations at
// once: each waits for its own uploads.
func (c *copier) saveComplete(ctx context.Context) {
	var work sync.WaitGroup
	var telling sync.Mutex
	for _, d := range c.alive() {
		work.Go(func() {
			d.fail(d.saveComplete(ctx, func(from, to *snapshot.Snapshot) {
				telling.Lock()
				defer telling.Unlock()
				if c.o.OnCopied != nil {
					c.o.OnCopied(d.Destination, from, to)
				}
			}))
		})
	}
	work.Wait()
	c.flushed = c.counter.Bytes.Load()
}

// close ends the writers and tells the destinations what became of them.
func (c *copier) close() error {
	var errs []error
	for _, d := range c.to {
		d.Receipt.Blobs = Amount{Count: d.blobs.Items.Load(), Bytes: d.blobs.Bytes.Load()}
		errs = append(errs, d.writer.Close())
		d.Err = d.failed()
	}
	return errors.Join(errs...)
}
