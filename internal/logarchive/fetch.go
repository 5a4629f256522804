package logarchive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"holdfast/storage"
)

// ErrCorrupt says that what is stored is not what was archived.
var ErrCorrupt = errors.New("archived log segment is damaged")

// Fetch writes the plaintext of a segment to w and returns its record. When
// it fails, what w got so far is worth nothing.
//
// It returns storage.ErrNotFound only when the store, asked successfully, has
// no record of the segment. A payload that is missing or damaged is
// ErrCorrupt; a segment that does not follow the one archived before it is
// ErrOutOfChain.
func (a *Archive) Fetch(ctx context.Context, s Segment, w io.Writer) (*Record, error) {
	return a.fetch(ctx, s, w, a.before)
}

// FetchListed is Fetch for a segment of what Group has just returned, which
// spares the store another listing.
func (a *Archive) FetchListed(ctx context.Context, group []Segment, s Segment, w io.Writer) (*Record, error) {
	return a.fetch(ctx, s, w, func(ctx context.Context, s Segment) ([]Segment, error) {
		if s.Start == 0 || uint64(s.Start-1)>>32 != uint64(s.Start)>>32 {
			return a.before(ctx, s) // it is in another group
		}
		return endingAt(slices.Clone(group), s.Start), nil
	})
}

// fetch is Fetch with a way to find what ends where a segment begins.
func (a *Archive) fetch(ctx context.Context, s Segment, w io.Writer, before func(context.Context, Segment) ([]Segment, error)) (*Record, error) {
	r, err := a.Record(ctx, s)
	if err != nil {
		return nil, err
	}
	if r.Kind.covers() {
		ends, err := before(ctx, r.Segment)
		if err != nil {
			return nil, err
		}
		if err := a.checkChain(ctx, r, ends); err != nil {
			return nil, err
		}
	}
	return r, a.read(ctx, r, w)
}

// checkChain makes sure that a record follows one of those before it, if any
// is archived.
func (a *Archive) checkChain(ctx context.Context, r *Record, before []Segment) error {
	var found []*Record
	for _, s := range before {
		previous, err := a.Record(ctx, s)
		if errors.Is(err, storage.ErrNotFound) {
			continue // pruned since the listing
		}
		if err != nil {
			return err
		}
		found = append(found, previous)
	}
	if len(found) == 0 || r.Follows(found...) {
		return nil
	}
	return fmt.Errorf("%s does not follow %s, which ends where it begins: %w", r.Name, before[0].Name, ErrOutOfChain)
}

// read writes the verified plaintext of a record's payload to w.
func (a *Archive) read(ctx context.Context, r *Record, w io.Writer) error {
	payload, err := a.payload(ctx, r)
	if err != nil {
		return err
	}
	plain := &provenWriter{w: w, left: r.SizeBytes, sum: sha256.New()}
	err = a.openTo(plain, bytes.NewReader(payload))
	if err == nil && !plain.is(r) {
		err = fmt.Errorf("%w: its plaintext is not what was archived", ErrCorrupt)
	}
	// The plaintext proves the payload, too: that is hashed only to tell whether
	// it was the store that changed it.
	if err != nil && sha256.Sum256(payload) != r.ObjectSHA256 {
		err = notStored(r)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	return nil
}

func notStored(r *Record) error {
	return fmt.Errorf("%w: its payload %s is not what was stored", ErrCorrupt, r.Object)
}

// provenWriter hashes what it writes, which must not be more than it should be.
type provenWriter struct {
	w    io.Writer
	left int64
	sum  hash.Hash
}

func (p *provenWriter) Write(b []byte) (int, error) {
	if p.left -= int64(len(b)); p.left < 0 {
		return 0, fmt.Errorf("%w: its plaintext is longer than what was archived", ErrCorrupt)
	}
	p.sum.Write(b) //nolint:errcheck // never fails
	return p.w.Write(b)
}

// is tells whether all that was written is the plaintext of a record.
func (p *provenWriter) is(r *Record) bool {
	return p.left == 0 && Digest(p.sum.Sum(nil)) == r.SHA256
}

// maxPayloadBytes bounds what is read of a payload: PostgreSQL's largest
// segment, and what sealing may add.
const maxPayloadBytes = 1<<30 + 1<<26

// payload reads the stored payload of a record, which is proven when it is
// opened.
func (a *Archive) payload(ctx context.Context, r *Record) ([]byte, error) {
	if r.ObjectSizeBytes < 0 || r.ObjectSizeBytes > maxPayloadBytes {
		return nil, fmt.Errorf("%s: payload of %d bytes: %w", r.Name, r.ObjectSizeBytes, ErrCorrupt)
	}
	stored, err := a.readObject(ctx, folder(a.o.Source, r.Segment)+r.Object, r.ObjectSizeBytes)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, fmt.Errorf("%s: %w: its payload %s is gone", r.Name, ErrCorrupt, r.Object)
	case errors.Is(err, errOtherSize):
		return nil, fmt.Errorf("%s: %w", r.Name, notStored(r))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return stored, nil
}

// errOtherSize says that an object is longer or shorter than it should be.
var errOtherSize = errors.New("it has another size")

// readObject reads an object of a known size.
func (a *Archive) readObject(ctx context.Context, key string, sizeBytes int64) ([]byte, error) {
	from, err := a.store.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	most := sizeBytes + 1 // one that is longer shows
	stored := bytes.NewBuffer(make([]byte, 0, most+bytes.MinRead))
	_, err = stored.ReadFrom(io.LimitReader(from, most))
	if cerr := from.Close(); err == nil {
		err = cerr
	}
	if err == nil && int64(stored.Len()) != sizeBytes {
		err = errOtherSize
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return stored.Bytes(), nil
}
