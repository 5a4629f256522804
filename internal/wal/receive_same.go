package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/storage"
)

// Copies of a cluster have one system identifier, and two that were promoted
// apart from each other may be on one timeline. So before anything is archived,
// what the server has is compared with what is archived of the segment that comes
// first: its slices, or, at the border of two segments, the one before.

// comparedSlices bounds how many slices of a segment are compared: the newest.
// Two courses that differ do so in all that follows, checkpoints have times.
const comparedSlices = 64

// comparedAtOnce is how many records are read side by side.
const comparedAtOnce = 8

// errNotThere says that the server does not have the segment before any more.
var errNotThere = errors.New("the server has removed the segment that was to be compared")

// errUnproven says that there is nothing to compare.
var errUnproven = fmt.Errorf("%w: nothing tells whether the log of this server continues the archive: it has removed the segment before, and its slot does not stand there; "+
	"take a base backup, or, if it is the server whose log this is, start `holdfast wal receive --adopt` once", storage.ErrConflict)

// expect finds out what the first segment that comes must hold, if any of it is
// archived; and has the one before come first, if that ends right there.
func (r *receiver) expect(ctx context.Context) error {
	expected, before := map[logarchive.Segment]*logarchive.Record{}, false
	for _, archive := range r.o.All {
		parts, ends, err := r.archivedOf(ctx, archive)
		if err != nil {
			continue // it tells when it is written to
		}
		before = before || ends
		if err := recordsOf(ctx, archive, parts, expected); err != nil {
			return err
		}
	}
	r.expected = nil
	for _, record := range expected {
		r.expected = append(r.expected, record)
	}
	slices.SortFunc(r.expected, func(a, b *logarchive.Record) int { return cmp.Compare(a.End, b.End) })
	if len(r.expected) > 0 || !before || r.o.Adopt && r.blind {
		return nil
	}
	if r.blind {
		switch {
		case r.hadSlot && r.kept == r.start: // nobody but the archiver of this server has moved it there
			return nil
		case r.timeline != r.next: // it took over, and comes from this timeline as its history says
			return nil
		}
		return errUnproven
	}
	r.back, r.start = true, r.start-postgres.LSN(r.segmentBytes)
	return r.expect(ctx)
}

// archivedOf returns the slices of the segment that comes first, or that segment
// itself; and whether anything ends where it begins.
func (r *receiver) archivedOf(ctx context.Context, a *logarchive.Archive) (parts []logarchive.Segment, before bool, err error) {
	start, end := logarchive.Position(r.start), logarchive.Position(r.start)+logarchive.Position(r.segmentBytes)
	group, err := a.Group(ctx, r.stream, r.timeline, uint32(start>>32)) //nolint:gosec // the upper half
	if err != nil {
		return nil, false, err
	}
	for _, s := range group {
		// Of a timeline that the server has left, the archive may have more.
		inside := s.Start >= start && s.End <= end && (r.left == 0 || postgres.LSN(s.End) <= r.left)
		if inside && (s.Kind == logarchive.Slice || s.Kind == logarchive.Whole) {
			parts = append(parts, s)
		}
	}
	if r.start == 0 {
		return parts, false, nil
	}
	if last := start - 1; last>>32 != start>>32 {
		if group, err = a.Group(ctx, r.stream, r.timeline, uint32(last>>32)); err != nil { //nolint:gosec // as above
			return nil, false, err
		}
	}
	before = slices.ContainsFunc(group, func(s logarchive.Segment) bool {
		return s.End == start && (s.Kind == logarchive.Whole || s.Kind == logarchive.Slice)
	})
	return parts[max(0, len(parts)-comparedSlices):], before, nil
}

// recordsOf reads the records of some segments.
func recordsOf(ctx context.Context, a *logarchive.Archive, segments []logarchive.Segment, into map[logarchive.Segment]*logarchive.Record) error {
	records := make([]*logarchive.Record, len(segments))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(comparedAtOnce)
	for k, s := range segments {
		group.Go(func() (err error) {
			records[k], err = a.Record(ctx, s)
			if errors.Is(err, storage.ErrNotFound) {
				return nil // superseded since the listing
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return archiveError{err}
	}
	for k, s := range segments {
		if into[s] == nil && records[k] != nil {
			into[s] = records[k]
		}
	}
	return nil
}

// compare makes sure that what has come is what is archived of it, as far as it
// has come. Until then nothing of the segment is archived.
func (s *spooler) compare(r *receiver) error {
	for len(r.expected) > 0 && postgres.LSN(r.expected[0].End) <= s.end {
		want := r.expected[0]
		part := io.NewSectionReader(s.current, int64(postgres.LSN(want.Start)-s.current.start), want.SizeBytes)
		sum, err := logarchive.Sum(s.ctx, part)
		if err != nil {
			return err
		}
		if sum != want.SHA256 {
			return fmt.Errorf("timeline %d differs from %s on, archived %s: %w", r.timeline, want.Start.LSN(), want.Time.Local().Format("2006-01-02 15:04:05"), ErrOtherCourse)
		}
		r.expected = r.expected[1:]
	}
	return nil
}
