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
	"holdfast/storage"
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

// Part is a part of the log without a gap, and when its ends were archived. To is
// no time to come unless all of it says so: see archivedAt.
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
		to, err := archivedAt(ctx, a, extent.Segments, r, last)
		if err != nil {
			return nil, err
		}
		status.Parts = append(status.Parts, Part{Range: r, From: from.Time, To: to})
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
	first = segments[slices.IndexFunc(segments, func(s logarchive.Segment) bool { return isOf(s, r) && s.Start == r.Start })]
	last = segments[slices.IndexFunc(segments, func(s logarchive.Segment) bool { return isOf(s, r) && s.End == r.End })]
	return first, last
}

// isOf tells whether a segment is a part of a range.
func isOf(s logarchive.Segment, r logarchive.Range) bool {
	return s.Stream == r.Stream && s.Line == r.Line && s.Start >= r.Start && s.End <= r.End &&
		(s.Kind == logarchive.Whole || s.Kind == logarchive.Slice)
}

// clocksApart is how far the clocks of who archives and who looks may be from one
// another without anybody minding.
const clocksApart = time.Minute

// archivedAt returns when a range was archived up to its end, which is what its
// last record says. A time to come is that of a clock that went wrong: taken at its
// word, it would hide for as long that nothing is archived any more. So an earlier
// record counts then, of which some are passed over the more the farther it goes
// back. When all are of a time to come, it is the clock of who looks that is
// behind.
func archivedAt(ctx context.Context, a *logarchive.Archive, segments []logarchive.Segment, r logarchive.Range, last logarchive.Segment) (time.Time, error) {
	end, err := a.Record(ctx, last)
	if err != nil {
		return time.Time{}, err
	}
	limit := time.Now().Add(clocksApart)
	if !end.Time.After(limit) {
		return end.Time, nil
	}
	of := slices.DeleteFunc(slices.Clone(segments), func(s logarchive.Segment) bool { return !isOf(s, r) })
	for k, step := len(of)-1, 1; k > 0; step *= 2 {
		k = max(k-step, 0)
		earlier, err := a.Record(ctx, of[k])
		if errors.Is(err, storage.ErrNotFound) {
			continue // pruned since the listing
		}
		if err != nil {
			return time.Time{}, err
		}
		if !earlier.Time.After(limit) {
			return earlier.Time, nil
		}
	}
	return end.Time, nil
}
