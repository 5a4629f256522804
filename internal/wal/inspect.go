package wal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// Status is what an archive has.
type Status struct {
	Parts []Part
	Gaps  []logarchive.Gap
	// Unproven says what is damaged or missing so that lost log may not be
	// noticed: marks, and the history files of timelines.
	Unproven []error
	// Lost says what was let go, and why; of which some may have come later.
	Lost []Loss
	// Histories are the ancestors of each timeline but the first. One that is
	// missing is not there.
	Histories map[uint32][]postgres.Branch
}

// Part is a part of the log without a gap, and when its ends were archived.
type Part struct {
	logarchive.Range
	From, To time.Time
}

// Inspect finds out what an archive has. It reads the records at both ends of
// every part, and proves them.
func Inspect(ctx context.Context, a *logarchive.Archive) (*Status, error) {
	extent, err := a.Extent(ctx, "")
	if err != nil {
		return nil, err
	}
	status := &Status{Gaps: extent.Gaps, Unproven: extent.Unproven, Histories: map[uint32][]postgres.Branch{}}
	for _, r := range extent.Ranges {
		first, last := ends(extent.Segments, r)
		from, err := a.Record(ctx, first)
		if err != nil {
			return nil, err
		}
		to, err := a.Record(ctx, last)
		if err != nil {
			return nil, err
		}
		status.Parts = append(status.Parts, Part{Range: r, From: from.Time, To: to.Time})
		if err := status.addHistory(ctx, a, r); err != nil {
			return nil, err
		}
	}
	status.Lost, err = lost(ctx, a, extent.Segments)
	return status, err
}

// addHistory adds where the timeline of a range comes from, or that nobody
// knows.
func (s *Status) addHistory(ctx context.Context, a *logarchive.Archive, r logarchive.Range) error {
	if r.Line == 1 {
		return nil
	}
	o := FetchOptions{Archive: a, Stream: r.Stream}
	branches, err := o.history(ctx, r.Line)
	switch {
	case errors.Is(err, ErrNoHistory):
		if !slices.ContainsFunc(s.Unproven, func(known error) bool { return known.Error() == err.Error() }) {
			s.Unproven = append(s.Unproven, err)
		}
	case err != nil:
		return err
	default:
		s.Histories[r.Line] = branches
	}
	return nil
}

// lost reads the notes of what was let go.
func lost(ctx context.Context, a *logarchive.Archive, segments []logarchive.Segment) ([]Loss, error) {
	var all []Loss
	for _, s := range segments {
		if s.Kind != logarchive.Lost {
			continue
		}
		var content bytes.Buffer
		if _, err := a.Fetch(ctx, s, &content); err != nil {
			return nil, err
		}
		var loss Loss
		if err := json.Unmarshal(content.Bytes(), &loss); err != nil {
			return nil, fmt.Errorf("note of lost log, %s: %w", s.Name, err)
		}
		all = append(all, loss)
	}
	return all, nil
}

// ends returns the segments with which a range begins and ends.
func ends(segments []logarchive.Segment, r logarchive.Range) (first, last logarchive.Segment) {
	in := func(s logarchive.Segment) bool {
		return s.Stream == r.Stream && s.Line == r.Line && s.Start >= r.Start && s.End <= r.End &&
			(s.Kind == logarchive.Whole || s.Kind == logarchive.Slice)
	}
	first = segments[slices.IndexFunc(segments, func(s logarchive.Segment) bool { return in(s) && s.Start == r.Start })]
	last = segments[slices.IndexFunc(segments, func(s logarchive.Segment) bool { return in(s) && s.End == r.End })]
	return first, last
}
