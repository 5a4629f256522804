package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	// ctx outlives an interrupt, so that what is stored can be made durable,
	// but not the loss of the lock.
	ctx context.Context
	// distrusted are packs that are not as the index says; nil if not asked.
	distrusted id.Set
}

// newTarget prepares the repository for writing. A full backup looks at
// every pack first: blobs in packs that are missing or have a wrong size are
// stored again, and the receipt tells how many those are.
func newTarget(ctx context.Context, r *repository.Repository, o Options, receipt *Receipt) (*target, error) {
	t := &target{repo: r, readBack: o.ReadBack, ctx: underLock(ctx)}
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
	var err error
	t.writer, err = r.NewWriter(t.ctx, wo)
	return t, err
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
	if t.writer == nil {
		h := blob.Handle{ID: id.Hash(plain), Type: kind}
		return repository.Saved{ID: h.ID, Known: t.holds(h)}, nil
	}
	saved, err := t.writer.Save(ctx, kind, plain)
	if err != nil || !t.readBack || !saved.Known {
		return saved, err
	}
	return t.proveKnown(ctx, blob.Handle{ID: saved.ID, Type: kind}, plain, saved)
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
	return t.writer.SaveAgain(ctx, h.Type, plain)
}

// finish makes everything durable.
func (t *target) finish(ctx context.Context) error {
	if t.writer == nil {
		return nil
	}
	err := t.writer.Flush(ctx)
	return errors.Join(err, t.writer.Close())
}

// abandon ends a backup that failed or was interrupted, after making durable
// what is stored so far, so that the next run need not store it again.
func (t *target) abandon() error {
	if t.writer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, flushTimeout)
	defer cancel()
	// Best effort: the error that ended the backup is the one that counts.
	t.writer.Flush(ctx) //nolint:errcheck // see above
	return t.writer.Close()
}

// underLock returns a context that ends when the lock on the repository is
// lost, and not when ctx ends for another reason.
func underLock(ctx context.Context) context.Context {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); errors.Is(cause, repository.ErrLockLost) {
			cancel(cause)
		}
	})
	return lasting
}
