package logarchive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"holdfast/storage"
)

// Appender appends the segments of one stream in order: payloads go up side
// by side, records one after the other, so that a crash leaves no hole.
type Appender struct {
	archive *Archive
	uploads *semaphore.Weighted

	mu   sync.Mutex
	last map[uint32]*Ticket // the newest of each line
}

// NewAppender returns an Appender that uploads so many payloads at once.
func (a *Archive) NewAppender(uploads int) (*Appender, error) {
	if a.o.Signing == nil {
		return nil, errors.New("log archive: no signing key to append with")
	}
	return &Appender{archive: a, uploads: semaphore.NewWeighted(int64(max(uploads, 1))), last: map[uint32]*Ticket{}}, nil
}

// Ticket is an append under way.
type Ticket struct {
	// record is what is to be archived; it does not change, as the segment
	// after it reads it at any time.
	record *Record
	done   chan struct{}
	// archived and err are valid once done is closed.
	archived *Record
	err      error
}

// Wait returns when the segment is archived, or the error that says why it is
// not.
func (t *Ticket) Wait(ctx context.Context) (*Record, error) {
	select {
	case <-t.done:
		return t.archived, t.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// failed tells whether the append is over, and in vain.
func (t *Ticket) failed() bool {
	if t == nil {
		return false
	}
	select {
	case <-t.done:
		return t.err != nil
	default:
		return false
	}
}

// Append begins to archive a segment, and returns as soon as its payload is
// sealed and an upload is free. Segments of a line are appended in the order
// of their positions. ctx bounds all of the work; body must stay as it is
// until Wait returns.
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
	ap.mu.Lock()
	defer ap.mu.Unlock()
	previous := ap.last[s.Line]
	if previous.failed() { // whoever appends again begins after what is archived
		previous = nil
	}
	t, spool, err := ap.begin(ctx, s, body, previous)
	if err != nil {
		ap.uploads.Release(1)
		return nil, err
	}
	if s.Kind.covers() {
		ap.last[s.Line] = t
	}
	go func() {
		defer ap.uploads.Release(1)
		defer close(t.done)
		t.err = errors.Join(ap.finish(ctx, t, spool, previous), spool.Discard())
	}()
	return t, nil
}

// begin seals the payload and makes the record that will be signed.
func (ap *Appender) begin(ctx context.Context, s Segment, body storage.Body, previous *Ticket) (*Ticket, storage.Spool, error) {
	link, err := ap.link(ctx, s, previous)
	if err != nil {
		return nil, nil, err
	}
	spool, err := storage.NewSpool(ap.archive.store)
	if err != nil {
		return nil, nil, err
	}
	stored := newCountingHash()
	sum, err := seal(ctx, &both{spool, stored}, body, ap.archive.o.Recipients)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", s.Name, err), spool.Discard())
	}
	r := &Record{
		Segment: s, SHA256: sum, SizeBytes: body.Size(), Previous: link,
		Object: newPayloadName(s), ObjectSHA256: stored.digest(), ObjectSizeBytes: stored.n,
		Time: time.Now().Truncate(time.Millisecond),
	}
	return &Ticket{record: r, done: make(chan struct{})}, spool, nil
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

// link returns what the segment names as its previous one: zero when nothing
// that is archived, or on its way, ends where it begins.
func (ap *Appender) link(ctx context.Context, s Segment, previous *Ticket) (Digest, error) {
	if !s.Kind.covers() {
		return Digest{}, nil
	}
	if previous != nil && previous.record.End == s.Start {
		return previous.record.Link(), nil
	}
	before, err := ap.archive.before(ctx, s)
	if err != nil || len(before) == 0 {
		return Digest{}, err
	}
	r, err := ap.archive.Record(ctx, before[0])
	if err != nil {
		return Digest{}, err
	}
	return r.Link(), nil
}

// finish uploads the payload, waits for the segment before, and then makes
// the segment archived by its record.
func (ap *Appender) finish(ctx context.Context, t *Ticket, spool storage.Spool, previous *Ticket) error {
	a, r := ap.archive, t.record
	payloadKey := folder(a.o.Source, r.Segment) + r.Object
	err := a.store.Put(ctx, payloadKey, spool, storage.PutOptions{SHA256: (*[32]byte)(&r.ObjectSHA256), Bulk: true})
	if err != nil {
		return fmt.Errorf("archive %s: %w", r.Name, err)
	}
	if previous != nil {
		if _, err := previous.Wait(ctx); err != nil {
			return errors.Join(fmt.Errorf("archive %s: the segment before it is not archived: %w", r.Name, err), a.store.Delete(ctx, payloadKey))
		}
	}
	stored, err := r.sign(a.o.Signing)
	if err != nil {
		return err
	}
	err = a.store.Put(ctx, recordKey(a.o.Source, r.Segment), storage.Bytes(stored), storage.PutOptions{})
	if errors.Is(err, storage.ErrExists) {
		return errors.Join(ap.same(ctx, t), a.store.Delete(ctx, payloadKey))
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", r.Name, err)
	}
	t.archived = r
	return nil
}

// same makes sure that the segment which is archived already is this one.
func (ap *Appender) same(ctx context.Context, t *Ticket) error {
	archived, err := ap.archive.Record(ctx, t.record.Segment)
	if err != nil {
		return err
	}
	if archived.SHA256 != t.record.SHA256 || archived.SizeBytes != t.record.SizeBytes {
		return fmt.Errorf("archive %s: %w: %s holds other bytes under this name, appended %s; is another server archiving to the same place?",
			t.record.Name, storage.ErrConflict, ap.archive.Location(), archived.Time.Format(time.RFC3339))
	}
	t.archived = archived
	return nil
}
