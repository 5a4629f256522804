package logarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/storage"
)

// Transfer puts a segment of another archive of the same source into this one,
// byte for byte: its payload, proven by its record, and then the record. What
// stands in its place gives way, once everything that replaces it is at hand,
// unless it is sound and says something else, or came meanwhile.
//
// The keys that the segment was archived with must be known to whoever reads
// this archive. A segment that would not fit between its neighbours here is
// ErrOutOfChain, and nothing is changed. It may be cut off at any instant and
// done again.
func (a *Archive) Transfer(ctx context.Context, from *Archive, s Segment) error {
	r, err := from.Record(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", from.Location(), err)
	}
	if err := a.fits(ctx, from, r); err != nil {
		return err
	}
	record, err := storage.ReadAll(ctx, from.store, recordKey(from.o.Source, s))
	if err != nil {
		return fmt.Errorf("%s: record of %s: %w", from.Location(), s.Name, err)
	}
	spool, err := storage.NewSpool(a.store)
	if err != nil {
		return err
	}
	if _, err = from.stream(ctx, r, spool); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", from.Location(), err), spool.Discard())
	}
	return errors.Join(a.replace(ctx, r, spool, record), spool.Discard())
}

// replace stores a payload and its record, and removes what stood in their
// place: damage, or another payload of the same bytes.
func (a *Archive) replace(ctx context.Context, r *Record, payload storage.Body, record []byte) error {
	old, err := a.Record(ctx, r.Segment)
	nothing := errors.Is(err, storage.ErrNotFound)
	switch {
	case err == nil && old.Link() != r.Link():
		return a.differs(r)
	case err != nil && !nothing && !IsDamage(err):
		return err
	}
	place := folder(a.o.Source, r.Segment)
	put := storage.PutOptions{SHA256: (*[32]byte)(&r.ObjectSHA256), Bulk: true}
	if err := a.putInPlace(ctx, place+r.Object, payload, put); err != nil {
		return fmt.Errorf("heal %s: %w", r.Name, err)
	}
	if nothing {
		return a.putRecord(ctx, r, record)
	}
	if err := a.putInPlace(ctx, recordKey(a.o.Source, r.Segment), storage.Bytes(record), storage.PutOptions{}); err != nil {
		return fmt.Errorf("heal %s: %w", r.Name, err)
	}
	if old == nil || old.Object == r.Object {
		return nil
	}
	if err := a.store.Delete(ctx, place+old.Object); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("heal %s: remove the damaged payload: %w", r.Name, err)
	}
	return nil
}

// putRecord stores the record of a payload where there was none. One that a
// receiver archived meanwhile stays, since that counts on it.
func (a *Archive) putRecord(ctx context.Context, r *Record, record []byte) error {
	err := a.store.Put(ctx, recordKey(a.o.Source, r.Segment), storage.Bytes(record), storage.PutOptions{})
	if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
		return err
	}
	now, err := a.Record(ctx, r.Segment)
	if err != nil {
		return err
	}
	if now.Link() != r.Link() {
		err = a.differs(r)
	}
	if now.Object != r.Object {
		err = errors.Join(err, a.store.Delete(ctx, folder(a.o.Source, r.Segment)+r.Object))
	}
	return err
}

func (a *Archive) differs(r *Record) error {
	return fmt.Errorf("%s is in %s with other bytes: %w", r.Name, a.Location(), ErrOutOfChain)
}

// putInPlace stores an object, also where another one has its key.
func (a *Archive) putInPlace(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	err := a.store.Put(ctx, key, body, o)
	if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
		return err
	}
	if err := a.store.Delete(ctx, key); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return a.store.Put(ctx, key, body, o)
}

// fits makes sure that a record follows what is archived before it, and is
// followed by what is archived after it. Damaged neighbours say nothing: they
// are healed in their turn.
func (a *Archive) fits(ctx context.Context, from *Archive, r *Record) error {
	if !r.Kind.covers() {
		return nil
	}
	before, err := a.before(ctx, r.Segment)
	if err != nil {
		return err
	}
	previous, err := a.sound(ctx, before)
	if err != nil {
		return err
	}
	if len(previous) > 0 && !r.Follows(previous...) {
		return fmt.Errorf("%s would not follow %s, which ends where it begins: %w", r.Name, previous[0].Name, ErrOutOfChain)
	}
	after, err := a.after(ctx, r)
	if err != nil {
		return err
	}
	// A slice may end where the segment does, and be the one that is followed.
	theirs, err := from.before(ctx, Segment{Stream: r.Stream, Line: r.Line, Start: r.End})
	if err != nil {
		return err
	}
	ends, err := from.sound(ctx, theirs)
	if err != nil {
		return err
	}
	for _, n := range after {
		if !n.Follows(ends...) {
			return fmt.Errorf("%s would not be followed by %s, which begins where it ends: %w", r.Name, n.Name, ErrOutOfChain)
		}
	}
	return nil
}

// after returns the sound records of what begins where a segment ends.
func (a *Archive) after(ctx context.Context, r *Record) ([]*Record, error) {
	found, err := a.list(ctx, folder(a.o.Source, Segment{Stream: r.Stream, Line: r.Line, Start: r.End}))
	if err != nil {
		return nil, err
	}
	return a.sound(ctx, slices.DeleteFunc(found, func(s Segment) bool { return s.Start != r.End || !s.Kind.covers() }))
}

// sound returns the records of those segments whose record can be read.
func (a *Archive) sound(ctx context.Context, segments []Segment) ([]*Record, error) {
	var records []*Record
	for _, s := range segments {
		r, err := a.Record(ctx, s)
		if errors.Is(err, storage.ErrNotFound) || IsDamage(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}
