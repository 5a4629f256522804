package backup

import (
	"context"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// Small files wait, read and closed, until there are some: several chunks are
// hashed in little more time than one.
const (
	// waitingCount and waitingBytes are when they are enough: few enough to be
	// in the CPU's caches still when they are compressed.
	waitingCount = 16
	waitingBytes = 256 << 10
	// mostWaiting is the largest file that waits, in bytes.
	mostWaiting = waitingBytes / 2
)

// waitingFiles are those of one reader.
type waitingFiles struct {
	files  []waitingFile
	bytes  int // in their chunks
	namer  repository.Namer
	chunks [][]byte
	ids    []id.ID
}

// waitingFile is a file whose only chunk is to be stored.
type waitingFile struct {
	job   *fileJob
	node  *tree.Node
	item  Item
	chunk []byte
}

// wait leaves a file to storeWaiting, which it calls when there are enough.
func (r *fileReader) wait(ctx context.Context, f waitingFile) error {
	w := &r.waiting
	w.files = append(w.files, f)
	w.bytes += len(f.chunk)
	if len(w.files) < waitingCount && w.bytes < waitingBytes {
		return nil
	}
	return r.storeWaiting(ctx)
}

// storeWaiting stores the files that wait, in their order.
func (r *fileReader) storeWaiting(ctx context.Context) error {
	w := &r.waiting
	files := w.files
	w.files, w.bytes = w.files[:0], 0 // each is stored once, also if one fails
	defer clear(files)
	w.chunks = w.chunks[:0]
	for k := range files {
		w.chunks = append(w.chunks, files[k].chunk)
	}
	var err error
	if w.ids, err = w.namer.Of(w.ids, w.chunks); err != nil {
		return err
	}
	for k := range files {
		if err := r.storeOne(ctx, &files[k], w.ids[k]); err != nil {
			return err
		}
	}
	return nil
}

func (r *fileReader) storeOne(ctx context.Context, f *waitingFile, i id.ID) error {
	size := len(f.chunk)
	saved, err := r.a.storeChunkAs(ctx, i, f.chunk)
	if err != nil {
		return err
	}
	r.a.progress.BytesRead.Add(uint64(size)) //nolint:gosec // never negative
	f.item.account(size, saved)
	return r.finish(ctx, f.job, f.node, f.item, []id.ID{saved.ID})
}
