package restore

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"runtime"
	"sync"
	"sync/atomic"

	"holdfast/repository"
	"holdfast/repository/id"
)

// Files of the target that are there already are compared by a few goroutines,
// in pieces: a large file by all of them, and small ones side by side. The walk
// goes on meanwhile, and comes back to a file when all of it was compared.

const (
	// maxComparers bounds the goroutines, and with them the memory for parts.
	maxComparers = 4
	// pieceParts and pieceBytes are how much of a file is compared by one
	// goroutine: enough to be worth handing over. A piece has a part at least.
	pieceParts = 16
	pieceBytes = 2 << 20
	// queuedPieces bounds those that wait. The system is asked to have them read
	// by then.
	queuedPieces = 8
	// maxCompared bounds the files that the walk has not come back to, which are
	// open, and maxComparedParts their parts, beside those of one file.
	maxCompared      = 64
	maxComparedParts = batchParts
)

// comparison finds out which parts of a file are there already.
type comparison struct {
	file *file
	// links is which file this is a name of, if it has several.
	links   linkKey
	several bool

	from  fileHandle
	parts []part
	want  []id.ID
	right []bool
	left  atomic.Int64 // pieces
}

// piece is what one goroutine compares of a file at a time.
type piece struct {
	of       *comparison
	from, to int // parts
}

// bytes returns where a piece lies in its file.
func (p piece) bytes() (offset, length int64) {
	first, last := p.of.parts[p.from], p.of.parts[p.to-1]
	return first.offset, last.offset + int64(last.length) - first.offset
}

// comparers compare files. All but the work itself is done by the walk.
type comparers struct {
	pieces  chan piece
	done    chan *comparison // has room for all
	working sync.WaitGroup
	files   int // that the walk has not come back to
	parts   int // theirs
}

func newComparers(ctx context.Context) *comparers {
	c := &comparers{pieces: make(chan piece, queuedPieces), done: make(chan *comparison, maxCompared)}
	for range min(runtime.GOMAXPROCS(0), maxComparers) {
		c.working.Go(func() { c.work(ctx) })
	}
	return c
}

// work compares pieces until there are no more. When ctx has ended nobody asks
// what came of the rest: a large file would take minutes.
func (c *comparers) work(ctx context.Context) {
	var r reader
	for p := range c.pieces {
		if ctx.Err() == nil {
			r.comparePiece(p)
		}
		if p.of.left.Add(-1) == 0 {
			c.done <- p.of
		}
	}
}

// close waits for the goroutines, and closes the files that the walk does not
// come back to.
func (c *comparers) close() {
	if c == nil {
		return
	}
	close(c.pieces)
	c.working.Wait()
	close(c.done)
	for o := range c.done {
		o.from.close() //nolint:errcheck // it was only read
	}
}

// compare begins to compare a file, and comes back to those that are done.
func (w *walker) compare(ctx context.Context, o *comparison) error {
	if w.comparers == nil {
		w.comparers = newComparers(ctx)
	}
	c := w.comparers
	for c.files > 0 && (c.files == maxCompared || c.parts+len(o.parts) > maxComparedParts) {
		if err := w.comeBack(ctx, <-c.done); err != nil {
			return errors.Join(err, o.from.close())
		}
	}
	c.files++
	c.parts += len(o.parts)
	o.file.folder.pending.Add(1) // it is not done before the walk has come back
	o.right = make([]bool, len(o.parts))
	pieces := piecesOf(o)
	o.left.Store(int64(len(pieces)))
	if len(pieces) == 0 {
		c.done <- o
	}
	for _, p := range pieces {
		if ctx.Err() == nil {
			o.from.readAhead(p.bytes())
		}
		c.pieces <- p
	}
	if o.several { // other names may come before it is done
		return w.settle(ctx)
	}
	for {
		select {
		case o := <-c.done:
			if err := w.comeBack(ctx, o); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// settle waits for all files that are compared.
func (w *walker) settle(ctx context.Context) error {
	for c := w.comparers; c != nil && c.files > 0; {
		if err := w.comeBack(ctx, <-c.done); err != nil {
			return err
		}
	}
	return nil
}

// comeBack goes on with a file that was compared. Only errors that end the
// restore are returned.
func (w *walker) comeBack(ctx context.Context, o *comparison) error {
	w.comparers.files--
	w.comparers.parts -= len(o.parts)
	o.from.close() //nolint:errcheck // it was only read, or is opened again
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := o.file
	w.leave(o)
	err := w.provide(ctx, f, Updated, o.links, o.several, o.parts)
	err = w.judgeFile(ctx, f.folder, f.name, f.number, err)
	w.finished(f.folder)
	return err
}

// leave takes the parts that are right out of those to be written.
func (w *walker) leave(o *comparison) {
	missing := o.parts[:0]
	for k, p := range o.parts {
		if !o.right[k] {
			missing = append(missing, p)
			continue
		}
		w.progress.BytesSkipped.Add(uint64(p.length))
	}
	o.parts = missing
	if len(missing) == 0 && o.file.disk.is.size == o.file.size {
		o.file.disk.action = Unchanged
	}
}

// piecesOf cuts a comparison up.
func piecesOf(o *comparison) []piece {
	var pieces []piece
	for from := 0; from < len(o.parts); {
		to, bytes := from, 0
		for to < len(o.parts) && to-from < pieceParts && (to == from || bytes+int(o.parts[to].length) <= pieceBytes) {
			bytes += int(o.parts[to].length)
			to++
		}
		pieces = append(pieces, piece{o, from, to})
		from = to
	}
	return pieces
}

// reader reads parts of files that are there. Its memory is reused.
type reader struct {
	buffers [2][]byte // of two parts that are hashed together
	sum     hash.Hash // of one that is hashed alone
	pair    repository.Hasher
	sums    []id.ID
}

const (
	// readAtOnce is how much is read before it is hashed: what was read just now
	// is still in the processor's cache then.
	readAtOnce = 128 << 10
	// pairBytes is how large two parts may be together to be hashed at once, which
	// takes a sixth less time than one by one: most are smaller. It bounds memory.
	pairBytes = 4 << 20
)

// comparePiece tells which parts of a piece are there already. What cannot be
// read is not.
func (r *reader) comparePiece(p piece) {
	o := p.of
	for at := p.from; at < p.to; at += 2 {
		to := min(at+2, p.to)
		r.compareTwo(o.from, o.parts[at:to], o.want[at:to], o.right[at:to])
	}
}

// compareTwo compares one or two parts.
func (r *reader) compareTwo(from fileHandle, parts []part, want []id.ID, right []bool) {
	if len(parts) == 2 && parts[0].length+parts[1].length <= pairBytes {
		contents := [2][]byte{r.room(0, parts[0]), r.room(1, parts[1])}
		if from.readAt(contents[0], parts[0].offset) == nil && from.readAt(contents[1], parts[1].offset) == nil {
			r.sums = r.pair.Of(r.sums, contents[:])
			right[0], right[1] = r.sums[0] == want[0], r.sums[1] == want[1]
			return
		}
	}
	for k, p := range parts {
		_, sum, err := r.read(from, p)
		right[k] = err == nil && sum == want[k]
	}
}

// read returns a part, until the next one is read, and its hash.
func (r *reader) read(from fileHandle, p part) ([]byte, id.ID, error) {
	if r.sum == nil {
		r.sum = sha256.New()
	}
	r.sum.Reset()
	content := r.room(0, p)
	for at := 0; at < len(content); {
		next := content[at:min(at+readAtOnce, len(content))]
		if err := from.readAt(next, p.offset+int64(at)); err != nil {
			return nil, id.ID{}, err
		}
		r.sum.Write(next) //nolint:errcheck // never fails
		at += len(next)
	}
	var sum id.ID
	r.sum.Sum(sum[:0])
	return content, sum, nil
}

func (r *reader) room(k int, p part) []byte {
	if len(r.buffers[k]) < int(p.length) {
		r.buffers[k] = make([]byte, p.length)
	}
	return r.buffers[k][:p.length]
}
