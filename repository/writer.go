package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/codec"
	"holdfast/storage"
)

const (
	// DefaultPackSize is the size at which a pack is full, restic's default.
	DefaultPackSize = 16 << 20
	// MinPackSize and MaxPackSize bound the choice, as in restic.
	MinPackSize = 4 << 20
	MaxPackSize = 128 << 20

	// indexFlushBlobs and indexFlushAge say when the blobs stored so far are
	// written to an index file, as in restic (internal/repository/index).
	indexFlushBlobs = 50_000
	indexFlushAge   = 10 * time.Minute

	// uploadsAtOnce bounds the full packs on their way to the store, unless that
	// knows better (storage.Lingering).
	uploadsAtOnce = 4
)

// uploadsTo bounds the full packs on their way to a store.
func uploadsTo(s storage.Store) int64 {
	if l, ok := storage.As[storage.Lingering](s); ok {
		return int64(max(l.PutsAtOnce(), uploadsAtOnce))
	}
	return uploadsAtOnce
}

// Compression says how hard blobs are compressed.
type Compression = codec.Level

// The levels of compression, named as restic names them.
const (
	CompressionAuto    = codec.Default
	CompressionOff     = codec.Off
	CompressionFastest = codec.Fastest
	CompressionBetter  = codec.Better
	CompressionMax     = codec.Max
)

// ParseCompression reads a level as users write it.
func ParseCompression(s string) (Compression, error) { return codec.ParseLevel(s) }

// WriterOptions tell how blobs are written.
type WriterOptions struct {
	Compression Compression
	// CompressAll compresses also what would not get smaller. It has no effect
	// with CompressionOff.
	CompressAll bool
	// Near tells that what repeats in the data lies near, as in pages of a
	// database: looking no farther takes less time and finds as much.
	Near bool
	// PackSizeBytes is when a pack is full; 0 means DefaultPackSize.
	PackSizeBytes int
	// Workers bounds the blobs being compressed at once, and so the memory
	// for them; 0 means the number of CPUs.
	Workers int
	// Rewrite stores each blob once although the index has it: it moves to a
	// new pack.
	Rewrite bool
	// Distrusted are packs that do not count: blobs that only they hold are
	// stored again.
	Distrusted id.Set
	// Durable, if set, is told of each pack that the store has: the bytes of
	// data in it, before they were compressed. Packs are stored side by side.
	Durable func(dataBytes uint64)
}

// Saved tells what Save did.
type Saved struct {
	ID id.ID
	// Known is true when the repository held the blob already.
	Known bool
	// StoredBytes is what a new blob takes in its pack, 0 for a known one.
	StoredBytes int
}

// Writer adds blobs to a repository: it deduplicates, compresses, seals and
// verifies them, gathers them in packs, and uploads packs and their index.
// Save may be called from many goroutines. After any error the Writer is
// broken; everything durable so far stays and is indexed at the next chance.
type Writer struct {
	r       *Repository
	ctx     context.Context // ends uploads, which outlive the Save they began in
	options WriterOptions
	sealers chan *sealer
	packs   [2]packers // by blob.Type

	mu      sync.Mutex
	pending map[blob.Handle]struct{} // claimed by Save, not in the index yet
	again   map[blob.Handle]struct{} // stored although the index had them
	moved   id.Set                   // with Rewrite, the packs blobs have moved to
	unsaved []PackContent            // durable packs, not in an index file yet
	blobs   int                      // blobs in unsaved
	oldest  time.Time                // when the first of unsaved became durable
	journal *journal
	failure error // why the Writer is broken

	indexing sync.Mutex          // held while an index file is written
	uploads  *semaphore.Weighted // a place for each upload under way
	places   int64               // of uploads
}

var errWriterClosed = errors.New("the writer is closed")

// NewWriter starts to write blobs. The index must be loaded and a lock held;
// ctx, which ends with the lock, bounds all uploads.
func (r *Repository) NewWriter(ctx context.Context, o WriterOptions) (*Writer, error) {
	if err := r.writableBlobs(); err != nil {
		return nil, err
	}
	if r.index == nil {
		return nil, errors.New("write blobs: the index is not loaded")
	}
	if o.PackSizeBytes == 0 {
		o.PackSizeBytes = DefaultPackSize
	}
	if o.PackSizeBytes < MinPackSize || o.PackSizeBytes > MaxPackSize {
		return nil, fmt.Errorf("pack size of %d MiB: want %d to %d MiB", o.PackSizeBytes>>20, MinPackSize>>20, MaxPackSize>>20)
	}
	w := &Writer{
		r: r, ctx: ctx, options: o,
		pending: make(map[blob.Handle]struct{}),
		again:   make(map[blob.Handle]struct{}),
		moved:   make(id.Set),
		places:  uploadsTo(r.store),
	}
	w.uploads = semaphore.NewWeighted(w.places)
	w.packs[blob.Data].w, w.packs[blob.Data].t = w, blob.Data
	w.packs[blob.Tree].w, w.packs[blob.Tree].t = w, blob.Tree
	var err error
	if w.sealers, err = newSealers(o, r.warn); err != nil {
		return nil, err
	}
	w.journal = r.newJournal()
	return w, nil
}

// Known tells whether the repository holds a blob, or this Writer is storing
// it.
func (w *Writer) Known(h blob.Handle) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.pending[h]; ok {
		return true
	}
	return w.stored(h)
}

// stored tells whether the repository holds a blob in a place that counts.
func (w *Writer) stored(h blob.Handle) bool {
	if _, ok := w.again[h]; ok {
		return true
	}
	if w.options.Rewrite {
		return w.hasMoved(h)
	}
	return w.r.trusted(h, w.options.Distrusted)
}

// hasMoved tells whether this Writer has stored a blob already. What it has
// not yet indexed is pending.
func (w *Writer) hasMoved(h blob.Handle) bool {
	if len(w.moved) == 0 {
		return false
	}
	for _, l := range w.r.index.LookupAll(nil, h) {
		if w.moved.Has(l.Pack) {
			return true
		}
	}
	return false
}

// Save stores a blob unless the repository holds it. The blob is durable
// only after Flush. plain may be reused as soon as Save returns.
func (w *Writer) Save(ctx context.Context, t blob.Type, plain []byte) (Saved, error) {
	return w.SaveAs(ctx, blob.Handle{ID: id.Hash(plain), Type: t}, plain)
}

// SaveAs is Save of a blob that was hashed already: see Namer.
func (w *Writer) SaveAs(ctx context.Context, h blob.Handle, plain []byte) (Saved, error) {
	claimed, err := w.claim(h)
	if err != nil || !claimed {
		return Saved{ID: h.ID, Known: true}, err
	}
	return w.storeClaimed(ctx, h, plain)
}

// SaveAgain stores a blob although the repository holds it: the stored one
// is known to be damaged. It is done once for each blob.
func (w *Writer) SaveAgain(ctx context.Context, t blob.Type, plain []byte) (Saved, error) {
	h := blob.Handle{ID: id.Hash(plain), Type: t}
	w.mu.Lock()
	_, pending := w.pending[h]
	_, done := w.again[h]
	if !pending && !done {
		w.pending[h] = struct{}{}
		w.again[h] = struct{}{}
	}
	err := w.failure
	w.mu.Unlock()
	if pending || done || err != nil {
		return Saved{ID: h.ID, Known: true}, err
	}
	return w.storeClaimed(ctx, h, plain)
}

func (w *Writer) storeClaimed(ctx context.Context, h blob.Handle, plain []byte) (Saved, error) {
	stored, err := w.store(ctx, h, plain)
	if err != nil {
		return Saved{}, w.fail(fmt.Errorf("save %s: %w", h, err))
	}
	return Saved{ID: h.ID, StoredBytes: stored}, nil
}

// claim reserves a blob for the caller to store; false means that it is
// known. Another goroutine's claim counts as known: when that one fails, the
// whole Writer does. The index is asked under the lock: saveIndex moves blobs
// from pending to the index under it.
func (w *Writer) claim(h blob.Handle) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure != nil {
		return false, w.failure
	}
	if _, ok := w.pending[h]; ok {
		return false, nil
	}
	if w.stored(h) {
		return false, nil
	}
	w.pending[h] = struct{}{}
	return true, nil
}

// store compresses, seals, verifies and packs a blob.
func (w *Writer) store(ctx context.Context, h blob.Handle, plain []byte) (int, error) {
	var s *sealer
	select {
	case s = <-w.sealers:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() {
		s.trim()
		w.sealers <- s
	}()
	sealed, plainLength, err := s.seal(w.r.key, h.Type, plain)
	if err != nil {
		return 0, err
	}
	return len(sealed), w.packs[h.Type].add(ctx, h, sealed, plainLength)
}

// fail breaks the Writer, for the first reason given.
func (w *Writer) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = err
	}
	return w.failure
}

func (w *Writer) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

// Flush makes everything saved so far durable: packs first, then the index
// that lists them.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.flushPacks(ctx); err != nil {
		return err
	}
	if err := w.saveIndex(ctx, true); err != nil {
		return w.fail(err)
	}
	return nil
}

// FlushPacks makes everything saved so far durable but the index, and returns
// the packs that no index file lists yet. They are the caller's to list: see
// Reindex.Save. It is the last use of the Writer but for Close.
func (w *Writer) FlushPacks(ctx context.Context) ([]PackContent, error) {
	if err := w.flushPacks(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	unlisted := w.unsaved
	w.unsaved, w.blobs = nil, 0
	w.r.warn(w.journal.reset(nil))
	return unlisted, nil
}

func (w *Writer) flushPacks(ctx context.Context) error {
	for t := range w.packs {
		if err := w.packs[t].flush(ctx); err != nil {
			return w.fail(err)
		}
	}
	if err := w.waitForUploads(ctx); err != nil {
		return w.fail(err)
	}
	return w.broken()
}

// waitForUploads returns when no upload is under way.
func (w *Writer) waitForUploads(ctx context.Context) error {
	if err := w.uploads.Acquire(ctx, w.places); err != nil {
		return context.Cause(ctx)
	}
	w.uploads.Release(w.places)
	return nil
}

// Close ends the Writer, and waits for uploads under way. Without a Flush
// before, blobs in packs that are not full are given up. It may be called
// more than once, but not beside other methods.
func (w *Writer) Close() error {
	w.fail(errWriterClosed)                    //nolint:errcheck // kept in w.failure
	_ = w.waitForUploads(context.Background()) // has no end, so no error
	var errs []error
	for t := range w.packs {
		errs = append(errs, w.packs[t].discard())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	errs = append(errs, w.journal.close())
	w.journal = nil
	return errors.Join(errs...)
}

// packDurable records a pack that the store has acknowledged, and writes an
// index file when enough has gathered.
func (w *Writer) packDurable(ctx context.Context, p PackContent) error {
	w.mu.Lock()
	if len(w.unsaved) == 0 {
		w.oldest = time.Now()
	}
	w.unsaved = append(w.unsaved, p)
	w.blobs += len(p.Blobs)
	w.r.warn(w.journal.add(p))
	w.mu.Unlock()
	if w.options.Durable != nil {
		w.options.Durable(dataBytes(p.Blobs))
	}
	return w.saveIndex(ctx, false)
}

// saveIndex writes what is durable and not indexed to an index file, if it
// is much enough, or if now is true and there is anything. Blobs can be saved
// meanwhile: those on their way into the index stay pending.
func (w *Writer) saveIndex(ctx context.Context, now bool) error {
	if !now && !w.indexDue() {
		return nil
	}
	w.indexing.Lock()
	defer w.indexing.Unlock()
	if !now && !w.indexDue() { // another upload was faster
		return nil
	}
	// What does not fit into a file waits for more, unless it must not: each
	// file is a request, and one for all who load the index.
	for now || w.indexDue() {
		batch := w.takeUnsaved()
		if len(batch) == 0 {
			return nil
		}
		if _, err := w.r.SaveIndex(ctx, batch); err != nil {
			return err
		}
		w.indexed(batch)
	}
	return nil
}

func (w *Writer) indexDue() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blobs >= indexFlushBlobs || len(w.unsaved) > 0 && time.Since(w.oldest) >= indexFlushAge
}

// takeUnsaved returns packs for one index file: no more than it should list,
// since a file takes several times its size of memory while it is made.
func (w *Writer) takeUnsaved() []PackContent {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, blobs := 0, 0
	for n < len(w.unsaved) && (n == 0 || blobs+len(w.unsaved[n].Blobs) <= indexFlushBlobs) {
		blobs += len(w.unsaved[n].Blobs)
		n++
	}
	batch := slices.Clone(w.unsaved[:n])
	w.unsaved = slices.Delete(w.unsaved, 0, n)
	w.blobs -= blobs
	return batch
}

// indexed records that an index file lists the packs.
func (w *Writer) indexed(batch []PackContent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range batch {
		if w.options.Rewrite {
			w.moved.Add(p.ID)
		}
		for _, b := range p.Blobs {
			delete(w.pending, b.Handle)
		}
	}
	w.r.warn(w.journal.reset(w.unsaved))
}
