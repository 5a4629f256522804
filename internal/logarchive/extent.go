package logarchive

import (
	"context"
	"errors"
	"slices"

	"holdfast/storage"
)

// Extent is what an archive has of the log.
type Extent struct {
	// Ranges are the parts without a gap, and Gaps what is missing between
	// them, by stream, line and position.
	Ranges []Range
	Gaps   []Gap
	// Loose lie beyond a hole that a crash left: several segments were on
	// their way, and a later one arrived first. Nobody was told that they are
	// archived, so that the log ends before the hole. It is closed when the
	// archiver goes on.
	Loose []Range
}

// Extent finds out what an archive has by segments of it, sorted as List
// returns them: all of one line or of several. It reads records only where
// there are holes.
func (a *Archive) Extent(ctx context.Context, segments []Segment) (*Extent, error) {
	e := &Extent{}
	ranges := Coverage(segments)
	for len(ranges) > 0 {
		first := ranges[0]
		n := slices.IndexFunc(ranges, func(r Range) bool { return r.Stream != first.Stream || r.Line != first.Line })
		if n < 0 {
			n = len(ranges)
		}
		firm, err := a.firm(ctx, segments, ranges[:n])
		if err != nil {
			return nil, err
		}
		e.Ranges = append(e.Ranges, ranges[:firm]...)
		e.Gaps = append(e.Gaps, Gaps(ranges[:firm])...)
		e.Loose = append(e.Loose, ranges[firm:n]...)
		ranges = ranges[n:]
	}
	return e, nil
}

// firm returns how many of the ranges of one line do not lie loose.
func (a *Archive) firm(ctx context.Context, segments []Segment, ranges []Range) (int, error) {
	n := len(ranges)
	for ; n > 1; n-- {
		loose, err := a.loose(ctx, segments, ranges[n-1], ranges[n-2].End)
		if err != nil || !loose {
			return n, err
		}
	}
	return n, nil
}

// loose tells whether everything in a range was archived when the log was
// durable only up to the hole before it.
func (a *Archive) loose(ctx context.Context, segments []Segment, r Range, hole Position) (bool, error) {
	var in []Segment
	for _, s := range segments {
		if s.Kind.covers() && s.Stream == r.Stream && s.Line == r.Line && s.Start >= r.Start && s.End <= r.End {
			in = append(in, s)
		}
	}
	if len(in) > MaxAtOnce {
		return false, nil
	}
	for _, s := range in {
		record, err := a.Record(ctx, s)
		if errors.Is(err, storage.ErrNotFound) {
			continue // removed since the listing
		}
		if err != nil || record.Durable > hole {
			return false, err
		}
	}
	return true, nil
}
