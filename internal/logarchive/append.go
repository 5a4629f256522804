package logarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"holdfast/storage"
)

// Appender appends the segments of one stream. Their payloads and records go
// up side by side, but an append is done only when all that was appended to
// the line before it is archived, and the archive says so: in the record of a
// later segment, or in a mark.
type Appender struct {
	archive *Archive
	uploads *semaphore.Weighted
	atOnce  int
	sealer  *sealer

	mu    sync.Mutex
	lines map[uint32]*lineEnd
}

// lineEnd is what an Appender remembers of a line.
type lineEnd struct {
	// recent are the newest tickets, in the order of their appends.
	recent []*Ticket
	// durable is where the part ends that is archived without a hole.
	durable Position
	// failed is where the first append begins that failed and was not done
	// again; nil if there is none. What comes after must wait, unless the log
	// goes on from gone or later.
	failed *Position
	gone   Position
	marking
	// twin tells that another archiver may be ahead of this one: the newest
	// segment was there already.
	twin bool
}

// Checked is a Body that can tell whether it still is what it was, such as a
// file that a server may reuse: it is asked when all of it was read.
type Checked interface {
	storage.Body
	Unchanged() error
}

// MaxAtOnce is the most segments that may be appended at once: after a crash,
// no more than these can be archived beyond a hole.
const MaxAtOnce = 16

// NewAppender returns an Appender that works on so many segments at once, up
// to MaxAtOnce.
func (a *Archive) NewAppender(atOnce int) (*Appender, error) {
	if a.o.Signing == nil {
		return nil, errors.New("log archive: no signing key to append with")
	}
	atOnce = min(max(atOnce, 1), MaxAtOnce)
	return &Appender{
		archive: a, uploads: semaphore.NewWeighted(int64(atOnce)), atOnce: atOnce,
		sealer: newSealer(a.o.Recipients, a.warn), lines: map[uint32]*lineEnd{},
	}, nil
}

// Ticket is an append under way.
type Ticket struct {
	segment Segment
	// sealed is closed when record, as far as the next one is linked to it, is
	// known, or the append has failed before that.
	sealed chan struct{}
	record *Record
	// stored is closed when the segment and all before it are archived, or
	// failed says why not; done when the archive says so as well, or err why
	// not.
	stored, done chan struct{}
	archived     *Record
	failed, err  error
	// first tells that it is the first one of its line.
	first bool
}

// Wait returns when the segment and all before it are archived for certain, or
// the error that says why not.
func (t *Ticket) Wait(ctx context.Context) (*Record, error) {
	select {
	case <-t.done:
		return t.archived, t.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// waitStored returns when the segment and all before it are archived.
func (t *Ticket) waitStored(ctx context.Context) error {
	select {
	case <-t.stored:
		return t.failed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// over tells whether the segment is archived, or why not.
func (t *Ticket) over() (bool, error) {
	select {
	case <-t.stored:
		return true, t.failed
	default:
		return false, nil
	}
}

// Append begins to archive a segment, and returns as soon as there is room for
// one more. Segments of a line are appended in the order of their positions.
// ctx bounds all of the work; body must stay as it is until Wait returns.
func (ap *Appender) Append(ctx context.Context, s Segment, body storage.Body) (*Ticket, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Kind.covers() && int64(s.End-s.Start) != body.Size() {
		return nil, fmt.Errorf("%w: %s has %d bytes for a range of %d", ErrInvalidSegment, s.Name, body.Size(), s.End-s.Start)
	}
	if err := ap.uploads.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	t := &Ticket{segment: s, sealed: make(chan struct{}), stored: make(chan struct{}), done: make(chan struct{})}
	previous, before, err := ap.enter(t)
	if err != nil {
		ap.uploads.Release(1)
		return nil, err
	}
	go func() {
		if t.first {
			looked := make(chan struct{})
			defer func() { <-looked }()
			go func() { defer close(looked); ap.look(ctx, s) }()
		}
		t.failed = ap.run(ctx, t, body, previous, before)
		ap.leave(t)
		close(t.stored)
		ap.uploads.Release(1)
		if t.err = t.failed; t.err == nil {
			t.err = ap.tell(ctx, t)
		}
		close(t.done)
	}()
	return t, nil
}

// enter puts a ticket behind those of its line. It returns the one that was
// appended before it, if that is not over in vain, and the one that ends where
// it begins.
func (ap *Appender) enter(t *Ticket) (previous, before *Ticket, err error) {
	if !t.segment.Kind.covers() {
		return nil, nil, nil
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	line := ap.lines[t.segment.Line]
	if t.first = line == nil; t.first {
		line = &lineEnd{twin: true, marking: newMarking()}
		ap.lines[t.segment.Line] = line
	}
	line.recent = slices.DeleteFunc(line.recent, func(r *Ticket) bool {
		over, err := r.over()
		return over && err != nil // whoever appends again begins after what is archived
	})
	if line.failed != nil {
		if t.segment.Start > *line.failed {
			return nil, nil, fmt.Errorf("archive %s: %w", t.segment.Name, errBefore)
		}
		line.failed = nil
	}
	if n := len(line.recent); n > 0 {
		previous = line.recent[n-1]
	} else {
		line.durable = max(line.durable, t.segment.Start)
	}
	for _, r := range line.recent {
		if r.segment.End == t.segment.Start && (before == nil || r.segment.Kind == Whole) {
			before = r
		}
	}
	line.recent = append(line.recent, t)
	// A segment and the slice before it may both end where the next begins.
	line.recent = line.recent[max(0, len(line.recent)-2*ap.atOnce-2):]
	return previous, before, nil
}

// leave notes that a ticket and all before it are archived, or that it failed.
func (ap *Appender) leave(t *Ticket) {
	if !t.segment.Kind.covers() {
		return
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	line := ap.lines[t.segment.Line]
	switch {
	case t.failed == nil:
		line.durable = max(line.durable, t.segment.End)
	case t.segment.Start >= line.gone && (line.failed == nil || t.segment.Start < *line.failed):
		line.failed = &t.segment.Start
	}
}

// GoOn says that the log of a line before a position is archived as far as it
// ever will be, or elsewhere: what is missing of it here is a gap. An append
// that failed before it need not be done again.
func (ap *Appender) GoOn(line uint32, from Position) {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	l := ap.lines[line]
	if l == nil {
		return
	}
	l.gone = max(l.gone, from)
	if l.failed != nil && *l.failed < from {
		l.failed = nil
	}
}

// metTwin notes whether a segment was there already.
func (ap *Appender) metTwin(s Segment, met bool) {
	if s.Kind != Whole {
		return
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	ap.lines[s.Line].twin = met
}

// mayBeThere tells whether it is worth to look for a segment before it is
// uploaded.
func (ap *Appender) mayBeThere(s Segment) bool {
	if s.Kind != Whole {
		return false
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	return ap.lines[s.Line].twin
}

// durable returns up to where the line of a segment is archived for certain,
// its own beginning at most.
func (ap *Appender) durable(s Segment) Position {
	if !s.Kind.covers() {
		return s.Start
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	return min(ap.lines[s.Line].durable, s.Start)
}

// run archives a segment, and waits until all before it is archived, too.
func (ap *Appender) run(ctx context.Context, t *Ticket, body storage.Body, previous, before *Ticket) error {
	err := ap.archiveOne(ctx, t, body, previous, before)
	if err == nil && previous != nil {
		if failed := previous.waitStored(ctx); failed != nil {
			err = fmt.Errorf("%w: %w", errBefore, failed)
		}
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", t.segment.Name, err)
	}
	return nil
}

var errBefore = errors.New("the segment before it is not archived")

func (ap *Appender) archiveOne(ctx context.Context, t *Ticket, body storage.Body, previous, before *Ticket) error {
	found, err := ap.isThere(ctx, t, body)
	if found || err != nil {
		close(t.sealed)
		return err
	}
	spool, err := ap.seal(ctx, t, body)
	close(t.sealed)
	if err != nil {
		return err
	}
	return errors.Join(ap.upload(ctx, t, spool, previous, before), spool.Discard())
}

// isThere looks whether another archiver was quicker. A store that cannot be
// asked is asked again by writing.
func (ap *Appender) isThere(ctx context.Context, t *Ticket, body storage.Body) (bool, error) {
	if !ap.mayBeThere(t.segment) {
		return false, nil
	}
	r, err := ap.archive.Record(ctx, t.segment)
	if errors.Is(err, ErrForged) || errors.Is(err, ErrOutOfChain) {
		return false, err
	}
	if err != nil {
		return false, nil //nolint:nilerr // the upload will tell
	}
	sum, err := Sum(ctx, body)
	if err == nil {
		err = unchanged(body)
	}
	if err != nil {
		return false, err
	}
	t.record = &Record{Segment: t.segment, SHA256: sum, SizeBytes: body.Size()}
	return true, ap.adopt(t, r)
}

// unchanged tells whether a body, all read, still was what it should be.
func unchanged(body storage.Body) error {
	if c, ok := body.(Checked); ok {
		return c.Unchanged()
	}
	return nil
}

// seal spools the payload, and makes the record but for its link.
func (ap *Appender) seal(ctx context.Context, t *Ticket, body storage.Body) (storage.Spool, error) {
	spool, err := storage.NewSpool(ap.archive.store)
	if err != nil {
		return nil, err
	}
	stored := newCountingHash()
	sum, err := ap.sealer.seal(ctx, &both{spool, stored}, body)
	if err == nil {
		err = unchanged(body)
	}
	if err != nil {
		return nil, errors.Join(err, spool.Discard())
	}
	t.record = &Record{
		Segment: t.segment, SHA256: sum, SizeBytes: body.Size(),
		Object: newPayloadName(t.segment), ObjectSHA256: stored.digest(), ObjectSizeBytes: stored.n,
	}
	return spool, nil
}

// both writes to a spool and to a hash.
type both struct {
	spool storage.Spool
	hash  *countingHash
}

func (b *both) Write(p []byte) (int, error) {
	n, err := b.spool.Write(p)
	b.hash.Write(p[:n]) //nolint:errcheck // never fails
	return n, err
}

// link returns what a segment names as its previous one: zero when nothing
// that is archived, or on its way, ends where it begins.
func (ap *Appender) link(ctx context.Context, s Segment, before *Ticket) (Digest, error) {
	if !s.Kind.covers() {
		return Digest{}, nil
	}
	if before != nil {
		select {
		case <-before.sealed:
		case <-ctx.Done():
			return Digest{}, context.Cause(ctx)
		}
		if before.record == nil {
			return Digest{}, errBefore
		}
		return before.record.Link(), nil
	}
	found, err := ap.archive.before(ctx, s)
	if err != nil || len(found) == 0 {
		return Digest{}, err
	}
	r, err := ap.archive.Record(ctx, found[0])
	if err != nil {
		return Digest{}, err
	}
	return r.Link(), nil
}

// upload stores the payload, and then the record.
func (ap *Appender) upload(ctx context.Context, t *Ticket, spool storage.Spool, previous, before *Ticket) error {
	a, signed := ap.archive, *t.record
	payloadKey := folder(a.o.Source, t.segment) + signed.Object
	err := a.store.Put(ctx, payloadKey, spool, storage.PutOptions{SHA256: (*[32]byte)(&signed.ObjectSHA256), Bulk: true})
	if err != nil {
		return err
	}
	if signed.Previous, err = ap.link(ctx, t.segment, before); err == nil && previous != nil {
		if _, failed := previous.over(); failed != nil {
			err = errors.Join(errBefore, failed)
		}
	}
	if err != nil {
		return errors.Join(err, a.store.Delete(ctx, payloadKey))
	}
	signed.Durable, signed.Time = ap.durable(t.segment), time.Now().Truncate(time.Millisecond)
	stored, err := signed.sign(a.o.Signing)
	if err != nil {
		return err
	}
	err = a.store.Put(ctx, recordKey(a.o.Source, t.segment), storage.Bytes(stored), storage.PutOptions{})
	if errors.Is(err, storage.ErrExists) {
		archived, err := ap.same(ctx, t)
		// If the record is our own, only the answer was lost. Whose it is must be
		// known: a payload that is one too many does no harm.
		if archived != nil && archived.Object != signed.Object {
			err = errors.Join(err, a.store.Delete(ctx, payloadKey))
		}
		return err
	}
	if err == nil {
		t.archived = &signed
		ap.metTwin(t.segment, false)
		ap.hasTold(t.segment, signed.Durable)
	}
	return err
}

// same makes sure that the segment which is archived already is this one. It
// returns the record of that, if it can be read.
func (ap *Appender) same(ctx context.Context, t *Ticket) (archived *Record, err error) {
	if archived, err = ap.archive.Record(ctx, t.segment); err != nil {
		return nil, err
	}
	return archived, ap.adopt(t, archived)
}

// adopt takes what another archiver has done for done, if it is the same.
func (ap *Appender) adopt(t *Ticket, archived *Record) error {
	if archived.SHA256 != t.record.SHA256 || archived.SizeBytes != t.record.SizeBytes {
		return fmt.Errorf("%w: %s holds other bytes under this name, appended %s; is another server archiving to the same place?",
			storage.ErrConflict, ap.archive.Location(), archived.Time.Format(time.RFC3339))
	}
	t.archived = archived
	ap.metTwin(t.segment, true)
	return nil
}
