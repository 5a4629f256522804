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
// the line before it is archived.
type Appender struct {
	archive *Archive
	uploads *semaphore.Weighted
	atOnce  int

	mu    sync.Mutex
	lines map[uint32]*lineEnd
}

// lineEnd is what an Appender remembers of a line.
type lineEnd struct {
	// recent are the newest tickets, in the order of their appends.
	recent []*Ticket
	// durable is where the part ends that is archived without a hole.
	durable Position
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
	return &Appender{archive: a, uploads: semaphore.NewWeighted(int64(atOnce)), atOnce: atOnce, lines: map[uint32]*lineEnd{}}, nil
}

// Ticket is an append under way.
type Ticket struct {
	segment Segment
	// sealed is closed when record, as far as the next one is linked to it, is
	// known, or the append has failed before that.
	sealed chan struct{}
	record *Record
	done   chan struct{}
	// archived and err are valid once done is closed.
	archived *Record
	err      error
}

// Wait returns when the segment and all before it are archived, or the error
// that says why not.
func (t *Ticket) Wait(ctx context.Context) (*Record, error) {
	select {
	case <-t.done:
		return t.archived, t.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// over tells whether the append has ended, and with what.
func (t *Ticket) over() (bool, error) {
	select {
	case <-t.done:
		return true, t.err
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
	t := &Ticket{segment: s, sealed: make(chan struct{}), done: make(chan struct{})}
	previous, before := ap.enter(t)
	go func() {
		defer ap.uploads.Release(1)
		t.err = ap.run(ctx, t, body, previous, before)
		if t.err == nil {
			ap.leave(t)
		}
		close(t.done)
	}()
	return t, nil
}

// enter puts a ticket behind those of its line. It returns the one that was
// appended before it, if that is not over in vain, and the one that ends where
// it begins.
func (ap *Appender) enter(t *Ticket) (previous, before *Ticket) {
	if !t.segment.Kind.covers() {
		return nil, nil
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	line := ap.lines[t.segment.Line]
	if line == nil {
		line = &lineEnd{}
		ap.lines[t.segment.Line] = line
	}
	line.recent = slices.DeleteFunc(line.recent, func(r *Ticket) bool {
		over, err := r.over()
		return over && err != nil // whoever appends again begins after what is archived
	})
	if n := len(line.recent); n > 0 {
		previous = line.recent[n-1]
	} else {
		line.durable = t.segment.Start
	}
	for _, r := range line.recent {
		if r.segment.End == t.segment.Start && (before == nil || r.segment.Kind == Whole) {
			before = r
		}
	}
	line.recent = append(line.recent, t)
	// A segment and the slice before it may both end where the next begins.
	line.recent = line.recent[max(0, len(line.recent)-2*ap.atOnce-2):]
	return previous, before
}

// leave notes that a ticket and all before it are archived.
func (ap *Appender) leave(t *Ticket) {
	if !t.segment.Kind.covers() {
		return
	}
	ap.mu.Lock()
	defer ap.mu.Unlock()
	line := ap.lines[t.segment.Line]
	line.durable = max(line.durable, t.segment.End)
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
	spool, err := ap.seal(ctx, t, body)
	close(t.sealed)
	if err != nil {
		return fmt.Errorf("archive %s: %w", t.segment.Name, err)
	}
	err = ap.upload(ctx, t, spool, previous, before)
	if err = errors.Join(err, spool.Discard()); err != nil {
		return fmt.Errorf("archive %s: %w", t.segment.Name, err)
	}
	if previous != nil {
		if _, err := previous.Wait(ctx); err != nil {
			return fmt.Errorf("archive %s: %w: %w", t.segment.Name, errBefore, err)
		}
	}
	return nil
}

var errBefore = errors.New("the segment before it is not archived")

// seal spools the payload, and makes the record but for its link.
func (ap *Appender) seal(ctx context.Context, t *Ticket, body storage.Body) (storage.Spool, error) {
	spool, err := storage.NewSpool(ap.archive.store)
	if err != nil {
		return nil, err
	}
	stored := newCountingHash()
	sum, err := seal(ctx, &both{spool, stored}, body, ap.archive.o.Recipients)
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
		return errors.Join(ap.same(ctx, t), a.store.Delete(ctx, payloadKey))
	}
	if err == nil {
		t.archived = &signed
	}
	return err
}

// same makes sure that the segment which is archived already is this one.
func (ap *Appender) same(ctx context.Context, t *Ticket) error {
	archived, err := ap.archive.Record(ctx, t.record.Segment)
	if err != nil {
		return err
	}
	if archived.SHA256 != t.record.SHA256 || archived.SizeBytes != t.record.SizeBytes {
		return fmt.Errorf("%w: %s holds other bytes under this name, appended %s; is another server archiving to the same place?",
			storage.ErrConflict, ap.archive.Location(), archived.Time.Format(time.RFC3339))
	}
	t.archived = archived
	return nil
}
