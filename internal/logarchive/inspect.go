package logarchive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/storage"
)

// inspections is how many segments are looked at side by side: records are
// small, and far stores answer late.
const inspections = 16

// Problem is a segment that cannot be fetched, and why.
type Problem struct {
	Segment
	Err error
}

// Inspection is what an archive holds, and what of it is damaged.
type Inspection struct {
	// Segments are sorted as List sorts them, damaged ones included.
	Segments []Segment
	// Problems are the damaged ones, in the same order.
	Problems []Problem
}

// Sound returns the segments that are not damaged.
func (i *Inspection) Sound() []Segment {
	damaged := map[Segment]bool{}
	for _, p := range i.Problems {
		damaged[p.Segment] = true
	}
	return slices.DeleteFunc(slices.Clone(i.Segments), func(s Segment) bool { return damaged[s] })
}

// Inspect reads every record of the archive and looks for its payload: what is
// forged, out of chain, or lacks its payload is a problem. With readData the
// payloads are read and hashed, too, for which no identity is needed.
func (a *Archive) Inspect(ctx context.Context, readData bool) (*Inspection, error) {
	records, payloads, err := a.objects(ctx)
	if err != nil {
		return nil, err
	}
	in := &inspector{archive: a, payloads: payloads, readData: readData, records: map[Segment]*Record{}, problems: map[Segment]error{}}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(inspections)
	for _, s := range records {
		group.Go(func() error { return in.look(groupCtx, s) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	in.chain()
	found := &Inspection{Segments: records}
	for _, s := range records {
		if err := in.problems[s]; err != nil {
			found.Problems = append(found.Problems, Problem{s, err})
		}
	}
	return found, nil
}

// objects lists the archive: the segments that have a record, and the sizes of
// all payloads by their keys.
func (a *Archive) objects(ctx context.Context) ([]Segment, map[string]int64, error) {
	var records []Segment
	payloads := map[string]int64{}
	err := a.store.List(ctx, Root+a.o.Source+"/", func(info storage.Info) error {
		if s, ok := parseRecordKey(a.o.Source, info.Key); ok {
			records = append(records, s)
		} else if strings.HasSuffix(info.Key, payloadSuffix) {
			payloads[info.Key] = info.SizeBytes
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list log archive: %w", err)
	}
	slices.SortFunc(records, compareSegments)
	return records, payloads, nil
}

// inspector is the work of one Inspect.
type inspector struct {
	archive  *Archive
	payloads map[string]int64
	readData bool

	mu       sync.Mutex
	records  map[Segment]*Record
	problems map[Segment]error
}

// look notes what is wrong with one segment. It fails only when that cannot be
// found out.
func (in *inspector) look(ctx context.Context, s Segment) error {
	r, err := in.archive.Record(ctx, s)
	if err == nil {
		err = in.payload(ctx, r)
	}
	if errors.Is(err, storage.ErrNotFound) {
		return nil // pruned since the listing
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if r != nil {
		in.records[s] = r
	}
	if !IsDamage(err) {
		return err
	}
	in.problems[s] = err
	return nil
}

// payload proves what can be proven of a record's payload without opening it.
func (in *inspector) payload(ctx context.Context, r *Record) error {
	key := folder(in.archive.o.Source, r.Segment) + r.Object
	sizeBytes, ok := in.payloads[key]
	if !ok { // it may have come after the listing
		info, err := in.archive.store.Stat(ctx, key)
		if errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("%s: %w: its payload %s is gone", r.Name, ErrCorrupt, r.Object)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		sizeBytes = info.SizeBytes
	}
	if sizeBytes != r.ObjectSizeBytes {
		return fmt.Errorf("%s: %w: its payload %s has %d bytes of %d", r.Name, ErrCorrupt, r.Object, sizeBytes, r.ObjectSizeBytes)
	}
	if !in.readData {
		return nil
	}
	_, err := in.archive.stream(ctx, r, io.Discard)
	return err
}

// chain finds the segments that do not follow what is archived before them.
func (in *inspector) chain() {
	ends := map[Range][]*Record{} // by stream, line and end
	at := func(r *Record, p Position) Range { return Range{Stream: r.Stream, Line: r.Line, End: p} }
	for _, r := range in.records {
		if r.Kind.covers() {
			ends[at(r, r.End)] = append(ends[at(r, r.End)], r)
		}
	}
	for s, r := range in.records {
		before := ends[at(r, r.Start)]
		if !r.Kind.covers() || len(before) == 0 || in.problems[s] != nil {
			continue
		}
		if !r.Follows(before...) {
			in.problems[s] = fmt.Errorf("%s does not follow %s, which ends where it begins: %w", r.Name, before[0].Name, ErrOutOfChain)
		}
	}
}

// IsDamage tells whether an error is about what is archived, and not about how
// it is reached.
func IsDamage(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrForged) || errors.Is(err, ErrOutOfChain) || errors.Is(err, ErrInvalidSegment)
}

// stream copies the stored payload of a record to w, and proves it to be that
// of the record. It returns how many bytes were copied.
func (a *Archive) stream(ctx context.Context, r *Record, w io.Writer) (int64, error) {
	stored, err := a.store.Get(ctx, folder(a.o.Source, r.Segment)+r.Object, 0, -1)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, fmt.Errorf("%s: %w: its payload %s is gone", r.Name, ErrCorrupt, r.Object)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.Name, err)
	}
	defer stored.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), stored)
	if err != nil {
		return n, fmt.Errorf("%s: %w", r.Name, err)
	}
	if n != r.ObjectSizeBytes || Digest(sum.Sum(nil)) != r.ObjectSHA256 {
		return n, fmt.Errorf("%s: %w: its payload %s is not what was stored", r.Name, ErrCorrupt, r.Object)
	}
	return n, nil
}

// ReadBack proves that what is stored of a segment is what its record says, for
// which no identity is needed.
func (a *Archive) ReadBack(ctx context.Context, s Segment) error {
	r, err := a.Record(ctx, s)
	if err != nil {
		return err
	}
	_, err = a.stream(ctx, r, io.Discard)
	return err
}
