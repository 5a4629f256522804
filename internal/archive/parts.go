package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"holdfast/storage"
)

const (
	// DefaultSplit is the size of parts unless it is chosen: every file system
	// takes it, and a damaged part is little to fetch again.
	DefaultSplit = 1 << 30
	// FarSplit is the same for stores that do not take over a spool. A part has
	// to be whole before it is sent: its name says whether it is the only one,
	// its hash goes with it, and not every store takes bytes whose number is not
	// known yet. So it waits on this machine, and the line for it.
	FarSplit = 64 << 20
	// firstFar is the size of the first part there. Each is twice as large as
	// the one before, up to FarSplit: the line has something to carry at once, and
	// never less than the next part takes to be made.
	firstFar = 4 << 20
)

// split tells how a stream is divided into parts.
type split struct {
	first, most int64 // sizes of the first part, and of those it grows to
}

// splitFor returns the sizes of parts that suit a store; chosen is what the
// user wants, or 0.
func splitFor(s storage.Store, chosen int64) split {
	if chosen != 0 {
		return split{chosen, chosen}
	}
	if _, ok := storage.As[storage.Spooler](s); ok {
		return split{DefaultSplit, DefaultSplit}
	}
	return split{firstFar, FarSplit}
}

// sizeOf returns the size of a part, counted from 0.
func (s split) sizeOf(part int) int64 {
	size := s.first
	for ; part > 0 && size < s.most; part-- {
		size = min(2*size, s.most)
	}
	return size
}

// MinSplit is the least size of parts: smaller ones are a mistake in a unit.
const MinSplit = 64 << 10

// removeTimeout bounds how long a failed export takes to remove its parts.
const removeTimeout = 30 * time.Second

// travelBytes bounds the parts that travel at once, but for one of any size:
// one at a time would leave a line idle for the round trips between them.
const travelBytes = 2 * FarSplit

// partWriter divides a stream into parts and puts them into a store: some
// travel while the next is spooled.
type partWriter struct {
	ctx   context.Context //nolint:containedctx // io.Writer takes none
	shelf Shelf
	name  string
	split split

	spool storage.Spool
	hash  hash.Hash
	parts []Part
	// put are the keys that this writer has stored, or may have.
	put []string
	// travelling are the parts under way, in their order.
	travelling []travelling
}

// travelling is a part that is being stored.
type travelling struct {
	part Part
	key  string
	done chan error
}

func newPartWriter(ctx context.Context, shelf Shelf, name string, split split) *partWriter {
	return &partWriter{ctx: ctx, shelf: shelf, name: name, split: split}
}

func (w *partWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if w.spool != nil && w.spool.Size() == w.split.sizeOf(len(w.parts)) {
			if err := w.finishPart(false); err != nil {
				return written, err
			}
		}
		if err := w.begin(); err != nil {
			return written, err
		}
		n := min(int64(len(p)), w.split.sizeOf(len(w.parts))-w.spool.Size())
		if _, err := w.spool.Write(p[:n]); err != nil {
			return written, fmt.Errorf("spool part %d: %w", len(w.parts), err)
		}
		w.hash.Write(p[:n])
		written += int(n)
		p = p[n:]
	}
	return written, nil
}

func (w *partWriter) begin() error {
	if w.spool != nil {
		return nil
	}
	if err := context.Cause(w.ctx); err != nil {
		return err
	}
	spool, err := storage.NewSpool(w.shelf.Store)
	if err != nil {
		return err
	}
	w.spool, w.hash = spool, sha256.New()
	return nil
}

// finishPart sends the spooled part on its way. Only the last knows whether
// it is the only one.
func (w *partWriter) finishPart(last bool) error {
	if err := w.makeRoom(w.spool.Size()); err != nil {
		return err
	}
	n, parts := len(w.parts), len(w.parts)+1
	if !last {
		parts++
	}
	part := Part{PartName(w.name, n, parts), Digest{Bytes: w.spool.Size(), SHA256: Sum(w.hash.Sum(nil))}}
	t := travelling{part: part, key: w.shelf.key(w.name, part.Name), done: make(chan error, 1)}
	w.parts, w.put, w.travelling = append(w.parts, part), append(w.put, t.key), append(w.travelling, t)
	spool := w.spool
	w.spool = nil
	go func() { // wait waits for it
		sum := [32]byte(part.SHA256)
		err := w.shelf.Store.Put(w.ctx, t.key, spool, storage.PutOptions{SHA256: &sum, Bulk: true})
		t.done <- errors.Join(err, spool.Discard())
	}()
	return nil
}

// makeRoom waits until one more part of a size may travel. The first travels
// alone: of two exports to one name it tells which is too late, before that
// one has stored what the other still has to.
func (w *partWriter) makeRoom(sizeBytes int64) error {
	for _, t := range w.travelling {
		sizeBytes += t.part.Bytes
	}
	for len(w.travelling) > 0 && (sizeBytes > travelBytes || len(w.parts) == 1) {
		sizeBytes -= w.travelling[0].part.Bytes
		if err := w.waitForOne(); err != nil {
			return err
		}
	}
	return nil
}

// waitForOne waits for the part that has travelled longest.
func (w *partWriter) waitForOne() error {
	t := w.travelling[0]
	w.travelling = w.travelling[1:]
	err := <-t.done
	if err == nil {
		return nil
	}
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) { // it is somebody else's
		w.put = slices.DeleteFunc(w.put, func(key string) bool { return key == t.key })
	}
	return fmt.Errorf("store %s: %w", t.part.Name, err)
}

// wait waits for all parts under way, and returns the first failure.
func (w *partWriter) wait() error {
	var first error
	for len(w.travelling) > 0 {
		if err := w.waitForOne(); first == nil {
			first = err
		}
	}
	return first
}

// finish stores the last part.
func (w *partWriter) finish() error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.finishPart(true); err != nil {
		return err
	}
	return w.wait()
}

// abandon ends the work of a writer that failed, and removes what it stored,
// as far as that is permitted: what stays has no SHA256SUMS.
func (w *partWriter) abandon(ctx context.Context) {
	w.wait() //nolint:errcheck // the error that counts is known
	if w.spool != nil {
		w.spool.Discard() //nolint:errcheck // see above
		w.spool = nil
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	for _, key := range w.put {
		w.shelf.Store.Delete(ctx, key) //nolint:errcheck // see above
	}
}
