package repository

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

const (
	// PacksAhead is how many packs it pays to have asked for (StartPack,
	// PackVerifier.Start) beyond those being worked on. While one is opened
	// and written the next ones cross the line: four packs of the usual size
	// fill a line of 10 Gbit/s and 50 ms. What arrives waits in the buffers of
	// the system, which bound it, not in this process.
	PacksAhead = 4
	// maxGapBytes is how much of a pack that nobody asked for is read rather
	// than starting another request.
	maxGapBytes = 512 << 10
	// streamBufferBytes is how much of a pack is read at a time.
	streamBufferBytes = 256 << 10
)

// StreamPack reads some blobs of one pack, in as few requests as is sensible
// when they are in the order of their offsets, and calls visit with the
// plaintext of each. The plaintext is valid only during the call. Damage of
// one blob is given to visit as a *CorruptError and the others are still read;
// an error returned by visit, or a pack that cannot be read, ends the stream.
//
// Each call has memory of its own for the largest of the blobs, stored and
// opened, and for another one that is hashed with it: callers bound how many
// run at once. visit may call any method of the Repository.
func (r *Repository) StreamPack(ctx context.Context, packID id.ID, blobs []blob.Blob, visit func(b blob.Blob, plain []byte, err error) error) error {
	return r.StartPack(ctx, packID, blobs).Each(visit)
}

// PackRead is a StreamPack that was asked for and not yet read. Each or
// Abandon must be called, once.
type PackRead struct {
	r     *Repository
	ctx   context.Context // of the one read
	pack  id.ID
	blobs []blob.Blob // not yet visited
	next  *pending    // of the first of them; nil for none
	visit func(blob.Blob, []byte, error) error
	rd    *packReader
}

// packReader holds what reading a pack needs; it is reused.
type packReader struct {
	reader
	buffered *bufio.Reader
	group    group
}

func newPackReader() *packReader {
	return &packReader{buffered: bufio.NewReaderSize(nil, streamBufferBytes)}
}

// StartPack sends the first request of a StreamPack and returns at once. The
// list of blobs belongs to the PackRead until it ends.
func (r *Repository) StartPack(ctx context.Context, packID id.ID, blobs []blob.Blob) *PackRead {
	p := &PackRead{r: r, ctx: ctx, pack: packID, blobs: blobs}
	p.askNext()
	return p
}

// Each reads the blobs; see StreamPack.
func (p *PackRead) Each(visit func(b blob.Blob, plain []byte, err error) error) error {
	p.visit, p.rd = visit, p.r.streams.Get().(*packReader)
	defer p.r.streams.Put(p.rd)
	defer p.rd.group.reset() // an error of visit leaves some
	p.rd.group.again = func(b blob.Blob) ([]byte, error) { return p.r.lookAgain(p.ctx, b) }
	defer p.Abandon()
	for len(p.blobs) > 0 {
		asked := p.next
		run := p.blobs[:runLength(p.blobs)]
		p.blobs = p.blobs[len(run):]
		p.askNext() // on its way while this run is worked on
		if err := p.run(asked, run); err != nil {
			return err
		}
	}
	return nil
}

// Abandon gives up what was asked for and is not read.
func (p *PackRead) Abandon() {
	if p.next != nil {
		p.next.abandon()
	}
	p.next, p.blobs = nil, nil
}

// askNext asks for the next blobs that are read in one request.
func (p *PackRead) askNext() {
	p.next = nil
	if len(p.blobs) > 0 {
		p.next = p.ask(p.blobs[:runLength(p.blobs)])
	}
}

func (p *PackRead) ask(run []blob.Blob) *pending {
	start, last := int64(run[0].Offset), run[len(run)-1]
	return p.r.ask(p.ctx, p.pack, start, int64(last.Offset)+int64(last.Length)-start)
}

// runLength returns how many of the first blobs lie close enough together to
// be read in one request.
func runLength(blobs []blob.Blob) int {
	end := uint64(blobs[0].Offset) + uint64(blobs[0].Length)
	for n, b := range blobs[1:] {
		if uint64(b.Offset) < end || uint64(b.Offset)-end > maxGapBytes {
			return n + 1
		}
		end = uint64(b.Offset) + uint64(b.Length)
	}
	return len(blobs)
}

// run reads blobs that follow each other and were asked for.
func (p *PackRead) run(asked *pending, blobs []blob.Blob) error {
	defer asked.abandon()
	stream, err := asked.wait()
	switch {
	case err == nil:
		return p.readRun(stream, blobs)
	case !isTooShort(err):
		return fmt.Errorf("read pack %s: %w", p.pack.Short(), err)
	case len(blobs) == 1:
		return p.visit(blobs[0], nil, errorOfBlob(blobs[0], err))
	}
	// The pack is too short for the last of them, or what the index says of
	// that one is wrong: the others may be there.
	for n := range blobs {
		if err := p.run(p.ask(blobs[n:n+1]), blobs[n:n+1]); err != nil {
			return err
		}
	}
	return nil
}

// readRun reads blobs from a stream that begins with the first of them.
func (p *PackRead) readRun(stream io.Reader, blobs []blob.Blob) error {
	buffered := p.rd.buffered
	buffered.Reset(stream)
	defer buffered.Reset(nil)
	at := int64(blobs[0].Offset)
	for n, b := range blobs {
		if err := checkLengths(b); err != nil {
			if err := p.show(b, err); err != nil {
				return err
			}
			if n+1 == len(blobs) {
				return nil
			}
			return p.run(p.ask(blobs[n+1:]), blobs[n+1:])
		}
		_, err := buffered.Discard(int(int64(b.Offset) - at))
		if err == nil {
			err = p.rd.fill(buffered, int(b.Length))
		}
		if isTooShort(err) {
			return p.tooShort(blobs[n:], err)
		}
		if err != nil {
			return errors.Join(p.flush(), fmt.Errorf("read pack %s: %w", p.pack.Short(), err))
		}
		at = int64(b.Offset) + int64(b.Length)
		if err := p.open(b); err != nil {
			return err
		}
	}
	return p.flush()
}

// open opens a blob, whose stored bytes were read, and holds it until others
// are hashed with it.
func (p *PackRead) open(b blob.Blob) error {
	g := &p.rd.group
	if !g.fits(int(b.DataLength())) {
		if err := p.flush(); err != nil {
			return err
		}
	}
	plain, err := p.r.decodeBlob(b, p.rd.sealed, g.room(int(b.DataLength())))
	switch {
	case err != nil:
		return p.show(b, err)
	case b.IsCompressed():
		g.add(b, plain)
	case len(plain) <= groupBytes:
		g.addCopy(b, plain)
	default: // the plaintext stands where the stored bytes did
		p.rd.sealed = g.addStored(b, plain, p.rd.sealed)
	}
	return nil
}

// flush shows the blobs that are held.
func (p *PackRead) flush() error { return p.rd.group.flush(p.visit) }

// show tells of a blob that cannot be had, after those before it.
func (p *PackRead) show(b blob.Blob, err error) error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.visit(b, nil, err)
}

func (p *PackRead) tooShort(blobs []blob.Blob, err error) error {
	for _, b := range blobs {
		if err := p.show(b, errorOfBlob(b, err)); err != nil {
			return err
		}
	}
	return nil
}

// pending is a part of a pack that was asked for.
type pending struct {
	begin    func() // sends the request, the first time it is called
	cancel   context.CancelFunc
	current  func()        // notes that the answer is waited for
	answered chan struct{} // closed when stream and err are set
	stream   io.ReadCloser
	err      error
}

// ask begins to read a part of a pack; length < 0 reads to the end. The
// caller abandons what it returns, read or not.
func (r *Repository) ask(ctx context.Context, packID id.ID, offset, length int64) *pending {
	ctx, cancel := context.WithCancel(ctx)
	p := &pending{cancel: cancel, current: func() {}, answered: make(chan struct{})}
	p.begin = sync.OnceFunc(func() {
		go func() { // abandon waits for it
			defer close(p.answered)
			p.stream, p.err = r.store.Get(ctx, PackFile.Key(packID), offset, length)
		}()
	})
	switch {
	case r.ahead == nil:
		p.begin()
	case r.ahead.TryAcquire(1):
		p.current = sync.OnceFunc(func() { r.ahead.Release(1) })
		p.begin()
	}
	return p
}

// aheadOf returns what bounds the requests sent before their answers are
// needed; nil is no bound. A store that serves only so many at once keeps half
// of them for those that are needed now: else all could be held by answers
// whose turn comes after the one that waits.
func aheadOf(s storage.Store) *semaphore.Weighted {
	b, ok := storage.As[storage.Bounded](s)
	if !ok || b.RequestsAtOnce() == 0 {
		return nil
	}
	return semaphore.NewWeighted(int64(b.RequestsAtOnce() / 2))
}

// wait returns the answer when it is there.
func (p *pending) wait() (io.Reader, error) {
	p.current()
	p.begin()
	<-p.answered
	return p.stream, p.err
}

// abandon ends the request, and lets go of what it holds.
func (p *pending) abandon() {
	p.cancel()
	p.begin() // one that was not sent ends at once
	<-p.answered
	if p.err == nil {
		p.stream.Close() //nolint:errcheck // it was only read
	}
	p.current()
}
