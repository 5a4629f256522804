package wal

import (
	"context"
	"errors"
	"slices"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/storage"
)

// strayAge is how old a payload without a record must be to be taken for left
// behind: an upload still under way gets its record within minutes. It has to be so
// old by the clock of this host, and by that of the store as well, which what was
// stored last tells: one that was set ahead does not have an upload under way taken
// for an old one.
const strayAge = 24 * time.Hour

// LinkedSlices returns the slices at the ends of whole segments that what
// comes after names as the one before it. It reads the records of those few
// segments only.
func LinkedSlices(ctx context.Context, a *logarchive.Archive, segments []logarchive.Segment) (map[logarchive.Segment]bool, error) {
	whole := map[edge]bool{}
	begins := map[edge][]logarchive.Segment{}
	for _, s := range segments {
		if s.Kind == logarchive.Whole {
			whole[edge{s.Stream, s.Line, s.End}] = true
		}
		if s.Kind == logarchive.Whole || s.Kind == logarchive.Slice {
			at := edge{s.Stream, s.Line, s.Start}
			begins[at] = append(begins[at], s)
		}
	}
	linked := map[logarchive.Segment]bool{}
	for _, s := range segments {
		end := edge{s.Stream, s.Line, s.End}
		if s.Kind != logarchive.Slice || !whole[end] {
			continue
		}
		named, err := namedBy(ctx, a, s, begins[end])
		if err != nil {
			return nil, err
		}
		if named {
			linked[s] = true
		}
	}
	return linked, nil
}

// edge is a place where segments meet.
type edge struct {
	stream string
	line   uint32
	at     logarchive.Position
}

// namedBy tells whether one of the segments that follow names a slice.
func namedBy(ctx context.Context, a *logarchive.Archive, slice logarchive.Segment, next []logarchive.Segment) (bool, error) {
	r, err := a.Record(ctx, slice)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil // superseded since the listing
	}
	if err != nil {
		return false, err
	}
	for _, s := range next {
		follower, err := a.Record(ctx, s)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if follower.Previous == r.Link() {
			return true, nil
		}
	}
	return false, nil
}

// Unmark has an archive say of each line no more than what stays when segments
// are removed, and returns those of them that may be: where a mark is locked,
// the line stays as it is. Marks that others have outrun go as well.
func Unmark(ctx context.Context, a *logarchive.Archive, all, remove []logarchive.Segment) (may []logarchive.Segment, err error) {
	gone := make(map[logarchive.Segment]bool, len(remove))
	for _, s := range remove {
		gone[s] = true
	}
	left := map[edge]logarchive.Position{} // where what stays of a line ends
	for _, s := range all {
		line := edge{stream: s.Stream, line: s.Line}
		left[line] = max(left[line], 0)
		if (s.Kind == logarchive.Whole || s.Kind == logarchive.Slice) && !gone[s] {
			left[line] = max(left[line], s.End)
		}
	}
	locked := map[edge]bool{}
	for _, s := range remove {
		line := edge{stream: s.Stream, line: s.Line}
		if s.End <= left[line] || locked[line] {
			continue
		}
		err := a.Unmark(ctx, s.Stream, s.Line, left[line])
		switch {
		case errors.Is(err, storage.ErrImmutable):
			locked[line] = true
		case err != nil:
			return nil, err
		}
		left[line] = max(left[line], s.End) // done
	}
	for line := range left {
		if err := a.TidyMarks(ctx, line.stream, line.line); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(remove), func(s logarchive.Segment) bool { return locked[edge{stream: s.Stream, line: s.Line}] }), nil
}

// OldStrays returns the payloads without a record that may be removed.
func OldStrays(survey *logarchive.Survey, now time.Time) []logarchive.Stray {
	if survey.Newest.Before(now) {
		now = survey.Newest
	}
	var old []logarchive.Stray
	for _, s := range survey.Strays {
		if !s.Stored.IsZero() && now.Sub(s.Stored) > strayAge {
			old = append(old, s)
		}
	}
	return old
}
