package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// parallelFileBytes is the size from which on the chunks of one file are
// stored in parallel; below it, files side by side keep all cores busy.
const parallelFileBytes = 4 << 20

// fileJob is a file to be read.
type fileJob struct {
	folder *folder
	slot   int
	entry  source.Entry
	// changed tells that an earlier backup has the file.
	changed bool
}

// queue leaves a file to the readers.
func (a *archiver) queue(ctx context.Context, j fileJob) error {
	a.batch = append(a.batch, j)
	a.bytes += j.entry.Size
	if len(a.batch) < batchFiles && a.bytes < batchBytes {
		return nil
	}
	return a.handOver(ctx)
}

// handOver gives the gathered files to the readers.
func (a *archiver) handOver(ctx context.Context) error {
	select {
	case a.files <- a.batch:
		a.batch, a.bytes = nil, 0
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readFiles stores files until there are no more.
func (a *archiver) readFiles(ctx context.Context) error {
	r := &fileReader{a: a, chunks: repository.NewChunkReader(a.method, a.buffers)}
	defer r.chunks.Release()
	for !a.readers.leave() {
		batch, ok, err := a.nextBatch(ctx)
		if err != nil || !ok {
			return err
		}
		if err := r.storeBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// nextBatch returns files to be read; false when there are no more.
func (a *archiver) nextBatch(ctx context.Context) (batch []fileJob, ok bool, err error) {
	select {
	case batch, ok = <-a.files:
		return batch, ok, context.Cause(ctx)
	default:
		a.readers.waited.Store(true)
	}
	select {
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	case batch, ok = <-a.files:
		return batch, ok, nil
	}
}

func (r *fileReader) storeBatch(ctx context.Context, batch []fileJob) error {
	for n := range batch {
		if err := r.store(ctx, &batch[n]); err != nil {
			// What waits was read whole: the next run need not do that again.
			r.storeWaiting(ctx) //nolint:errcheck // the first error is the one that counts
			return err
		}
	}
	return r.storeWaiting(ctx)
}

// fileReader reads one file after the other.
type fileReader struct {
	a      *archiver
	chunks *repository.ChunkReader
	item   Item
	// early is what Progress.Bytes has of a large file before its end.
	early   atomic.Uint64
	node    []byte // where nodes are encoded
	waiting waitingFiles
}

// errSource marks an error of the source, which costs one file and not the
// backup.
type errSource struct{ error }

func (e errSource) Unwrap() error { return e.error }

// store reads a file into the repository, or leaves it to storeWaiting. An error
// is the repository's: those of the source are reported, and the file is left
// out.
func (r *fileReader) store(ctx context.Context, j *fileJob) error {
	err := r.storeFile(ctx, j)
	if err != nil {
		r.a.progress.Bytes.Add(-r.early.Load()) // the file is left out
	}
	var bad errSource
	if errors.As(err, &bad) && ctx.Err() == nil {
		r.a.failed(j.folder.join(j.entry.Name), bad.error)
		return r.a.leaf(ctx, j.folder, j.slot, item{})
	}
	return err
}

func (r *fileReader) storeFile(ctx context.Context, j *fileJob) error {
	r.early.Store(0)
	file, err := j.folder.dir.Open(j.entry)
	if err != nil {
		return errSource{vanished(err)}
	}
	defer file.Close() //nolint:errcheck // it was only read
	r.item = Item{Type: tree.File, State: New}
	if j.changed {
		r.item.State = Changed
	}
	content, only, err := r.content(ctx, file)
	if err != nil {
		return err
	}
	path := func() string { return j.folder.join(j.entry.Name) }
	if err := file.Check(); err != nil {
		r.a.failed(path(), err)
	}
	node, err := file.Node()
	if err != nil {
		if node == nil {
			r.a.buffers.Put(only)
			return errSource{err}
		}
		r.a.failed(path(), err)
	}
	r.item.counted = r.early.Load()
	if only != nil {
		return r.wait(ctx, waitingFile{job: j, node: node, item: r.item, chunk: only})
	}
	return r.finish(ctx, j, node, r.item, content)
}

// finish hands the node of a file that is stored to its folder.
func (r *fileReader) finish(ctx context.Context, j *fileJob, node *tree.Node, i Item, content []id.ID) error {
	node.Content, node.Size = content, i.Size
	r.a.countItem(j.folder, j.entry.Name, i)
	r.node = tree.AppendNode(r.node[:0], node)
	return r.a.leaf(ctx, j.folder, j.slot, item{raw: slices.Clone(r.node)})
}

// vanished says in a word what happened to a file that is gone.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it vanished while the backup ran: %w", err)
	}
	return err
}

// content stores what a file holds and returns its blobs in order; of a small
// file it returns the only chunk instead, which waits to be stored. The size
// of a stream is not known before its end.
func (r *fileReader) content(ctx context.Context, file source.File) (content []id.ID, only []byte, err error) {
	size := file.Entry().Size
	r.chunks.Reset(file, size)
	content = []id.ID{} // an empty file has an empty list, not none
	for size < parallelFileBytes && r.item.Size < parallelFileBytes {
		chunk, err := r.next()
		if errors.Is(err, io.EOF) {
			return content, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if len(chunk) <= mostWaiting && len(content) == 0 && r.chunks.AtEnd() {
			return nil, chunk, nil
		}
		saved, err := r.a.saveChunk(ctx, chunk)
		if err != nil {
			return nil, nil, err
		}
		r.item.account(len(chunk), saved)
		content = append(content, saved.ID)
	}
	content, err = r.contentParallel(ctx, content)
	return content, nil, err
}

// contentParallel is content for large files: while chunks are stored the
// next one is read. All readers together store no more at once than keeps the
// processors busy, which bounds the memory that chunks take.
func (r *fileReader) contentParallel(ctx context.Context, content []id.ID) ([]id.ID, error) {
	g, gctx := errgroup.WithContext(ctx)
	chunks := &pairs{a: r.a, g: g}
	var results []*chunkResult
	readErr := r.eachChunk(gctx, func(chunk []byte) {
		result := &chunkResult{size: len(chunk)}
		results = append(results, result)
		chunks.add(&pairChunk{chunk, func(i id.ID) (err error) {
			defer r.a.places.give()
			result.saved, err = r.a.saveChunkAs(gctx, i, chunk)
			if err == nil {
				r.early.Add(uint64(result.size)) //nolint:gosec // never negative
				r.a.progress.Bytes.Add(uint64(result.size))
			}
			return err
		}})
	})
	chunks.flush()
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if readErr != nil {
		return nil, readErr
	}
	for _, result := range results {
		r.item.account(result.size, result.saved)
		content = append(content, result.saved.ID)
	}
	return content, nil
}

// eachChunk calls store with every chunk up to the end of the file, after
// taking a place for it, which store gives back.
func (r *fileReader) eachChunk(ctx context.Context, store func(chunk []byte)) error {
	for {
		if err := r.a.places.take(ctx); err != nil {
			return err
		}
		chunk, err := r.next()
		if err != nil {
			r.a.places.give()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		store(chunk)
	}
}

type chunkResult struct {
	saved repository.Saved
	size  int
}

// next returns the next chunk of the file, or io.EOF.
func (r *fileReader) next() ([]byte, error) {
	chunk, err := r.chunks.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errSource{err}
	}
	return chunk, err
}

// account counts a chunk for its file.
func (i *Item) account(size int, saved repository.Saved) {
	i.Size += uint64(size) //nolint:gosec // never negative
	if !saved.Known {
		i.Added += uint64(size)               //nolint:gosec // never negative
		i.Stored += uint64(saved.StoredBytes) //nolint:gosec // never negative
	}
}

// saveChunk stores a chunk that was read and gives its buffer back.
func (a *archiver) saveChunk(ctx context.Context, chunk []byte) (repository.Saved, error) {
	return a.saveChunkAs(ctx, id.Hash(chunk), chunk)
}

// saveChunkAs is saveChunk for one that was hashed already.
func (a *archiver) saveChunkAs(ctx context.Context, i id.ID, chunk []byte) (repository.Saved, error) {
	bytes := uint64(len(chunk))
	saved, err := a.storeChunkAs(ctx, i, chunk)
	if err == nil {
		a.progress.BytesRead.Add(bytes)
	}
	return saved, err
}

// storeChunk stores a chunk and gives its buffer back.
func (a *archiver) storeChunk(ctx context.Context, chunk []byte) (repository.Saved, error) {
	return a.storeChunkAs(ctx, id.Hash(chunk), chunk)
}

// storeChunkAs is storeChunk for one that was hashed already.
func (a *archiver) storeChunkAs(ctx context.Context, i id.ID, chunk []byte) (repository.Saved, error) {
	defer a.buffers.Put(chunk)
	saved, err := a.target.saveAs(ctx, blob.Handle{ID: i, Type: blob.Data}, chunk)
	if err != nil {
		return saved, err
	}
	if !saved.Known {
		if a.target.writer != nil {
			a.progress.underWay.Add(int64(len(chunk)))
		}
		a.progress.DataBlobs.Add(1)
		a.progress.Added.Add(uint64(len(chunk)))
		a.progress.Stored.Add(uint64(saved.StoredBytes)) //nolint:gosec // never negative
	}
	return saved, nil
}
