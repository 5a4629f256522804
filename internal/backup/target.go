package backup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// flushTimeout bounds how long an interrupted backup takes to make durable
// what it has stored.
const flushTimeout = 30 * time.Second

// target is where blobs go: the repository, or nowhere in a dry run.
type target struct {
	repo     *repository.Repository
	writer   *repository.Writer // nil in a dry run
	readBack bool
	// ctx outlives an interrupt by flushTimeout, so that what was read is
	// stored and made durable; it ends with the lock. release ends it.
	ctx     context.Context
	release func()
	// planned are the blobs a dry run would have stored.
	planned plannedBlobs
	// distrusted are packs that are not as the index says; nil if not asked.
	distrusted id.Set
}

// newTarget prepares the repository for writing. A full backup looks at
// every pack first: blobs in packs that are missing or have a wrong size are
// stored again, and the receipt tells how many those are.
func newTarget(ctx context.Context, r *repository.Repository, o Options, receipt *Receipt) (*target, error) {
	t := &target{repo: r, readBack: o.ReadBack}
	if receipt.Type == snapshot.Full {
		var err error
		if t.distrusted, err = r.DamagedPacks(ctx); err != nil {
			return nil, fmt.Errorf("check the packs to be reused: %w", err)
		}
		receipt.Healed = len(t.distrusted)
	}
	if o.DryRun {
		return t, nil
	}
	if _, err := r.RecoverUploads(ctx); err != nil {
		return nil, err
	}
	wo := o.Writer
	wo.Distrusted = t.distrusted
	wo.Durable = func(dataBytes uint64) { o.Progress.underWay.Add(-int64(dataBytes)) } //nolint:gosec // a pack
	t.ctx, t.release = outlasting(ctx)
	var err error
	if t.writer, err = r.NewWriter(t.ctx, wo); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

// holds tells whether a blob is stored and may be relied on.
func (t *target) holds(h blob.Handle) bool {
	if len(t.distrusted) == 0 {
		return t.repo.Index().Has(h)
	}
	for _, l := range t.repo.Index().LookupAll(nil, h) {
		if !t.distrusted.Has(l.Pack) {
			return true
		}
	}
	return false
}

// save stores a blob unless the repository holds it.
func (t *target) save(ctx context.Context, kind blob.Type, plain []byte) (repository.Saved, error) {
	return t.saveAs(ctx, blob.Handle{ID: id.Hash(plain), Type: kind}, plain)
}

// saveAs is save of a blob that was hashed already.
func (t *target) saveAs(ctx context.Context, h blob.Handle, plain []byte) (repository.Saved, error) {
	if t.writer == nil {
		return repository.Saved{ID: h.ID, Known: t.holds(h) || !t.planned.add(h)}, nil
	}
	// Not ctx: a Save that is given up breaks the writer for the rest.
	saved, err := t.writer.SaveAs(t.ctx, h, plain)
	if err != nil || !t.readBack || !saved.Known {
		return saved, err
	}
	return t.proveKnown(ctx, h, plain, saved)
}

// proveKnown reads a known blob back, and stores it again if it is not what
// it should be. A blob still on its way into a pack was verified just now.
func (t *target) proveKnown(ctx context.Context, h blob.Handle, plain []byte, saved repository.Saved) (repository.Saved, error) {
	if !t.repo.Index().Has(h) {
		return saved, nil
	}
	stored, err := t.repo.LoadBlob(ctx, h, nil)
	if err == nil && bytes.Equal(stored, plain) {
		return saved, nil
	}
	if err != nil && ctx.Err() != nil {
		return saved, err
	}
	return t.writer.SaveAgain(t.ctx, h.Type, plain)
}

// finish makes everything durable.
func (t *target) finish() error {
	if t.writer == nil {
		return nil
	}
	defer t.release()
	err := t.writer.Flush(t.ctx)
	return errors.Join(err, t.writer.Close())
}

// abandon ends a backup that failed or was interrupted, after making durable
// what is stored so far, so that the next run need not store it again.
func (t *target) abandon() error {
	if t.writer == nil {
		return nil
	}
	defer t.release()
	// Best effort: the error that ended the backup is the one that counts.
	t.writer.Flush(t.ctx) //nolint:errcheck // see above
	return t.writer.Close()
}

// errFlushTimeout ends the uploads of an interrupted backup.
var errFlushTimeout = fmt.Errorf("what was stored could not be made durable within %v", flushTimeout)

// outlasting returns a context that ends with ctx when the lock on the
// repository is lost, and flushTimeout later when it ends for another reason.
func outlasting(ctx context.Context) (lasting context.Context, release func()) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if errors.Is(cause, repository.ErrLockLost) {
			cancel(cause)
			return
		}
		timer := time.AfterFunc(flushTimeout, func() { cancel(errFlushTimeout) })
		context.AfterFunc(lasting, func() { timer.Stop() })
	})
	return lasting, func() {
		stop()
		cancel(nil)
	}
}

// plannedBlobs remembers blobs by a part of their hash: eight bytes of it
// tell those of one backup apart.
type plannedBlobs struct {
	mu  sync.Mutex
	set map[uint64]struct{}
}

// add returns false if the blob was added before.
func (p *plannedBlobs) add(h blob.Handle) bool {
	key := binary.NativeEndian.Uint64(h.ID[:]) ^ uint64(h.Type)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		p.set = make(map[uint64]struct{})
	}
	before := len(p.set)
	p.set[key] = struct{}{}
	return len(p.set) > before
}
