package wal

import (
	"context"
	"slices"
	"time"

	"holdfast/internal/logarchive"
)

// gapsEvery is how often a GapWatch looks: listings cost requests, and a gap
// does not grow.
const gapsEvery = 15 * time.Minute

// GapWatch looks for gaps in archives and tells of each once.
type GapWatch struct {
	Archives Archives
	// From returns where the point-in-time window of an archive begins: what
	// is missing before it was pruned.
	From func(archive int, now time.Time) time.Time
	// Found is told of gaps, Unproven of what is damaged or missing so that lost
	// log may not be noticed, and Failed of archives that cannot be looked at.
	Found    func(location string, gap logarchive.Gap)
	Unproven func(location string, why error)
	Failed   func(location string, err error)

	told     map[string]map[logarchive.Gap]bool
	unproven map[string]map[string]bool
}

// Run looks until ctx ends.
func (w *GapWatch) Run(ctx context.Context) {
	w.told, w.unproven = map[string]map[logarchive.Gap]bool{}, map[string]map[string]bool{}
	look := time.NewTicker(gapsEvery)
	defer look.Stop()
	for {
		for k, a := range w.Archives.All {
			if err := w.look(ctx, k, a); err != nil && ctx.Err() == nil {
				w.Failed(a.Location(), err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// look tells of gaps in one archive that were not there before.
func (w *GapWatch) look(ctx context.Context, k int, a *logarchive.Archive) error {
	extent, err := a.Extent(ctx, "")
	if err != nil {
		return err
	}
	told, now := w.told[a.Location()], map[logarchive.Gap]bool{}
	for _, gap := range extent.Gaps {
		if told[gap] {
			now[gap] = true
			continue
		}
		// One that is not wanted is judged anew each time: the clock may have been
		// wrong.
		wanted, err := w.wanted(ctx, k, a, extent.Segments, gap)
		if err != nil {
			return err
		}
		if wanted {
			now[gap] = true
			w.Found(a.Location(), gap)
		}
	}
	w.told[a.Location()] = now
	w.tellUnproven(a.Location(), append(slices.Clone(extent.Unproven), lostHistories(extent.Segments)...))
	return nil
}

// tellUnproven tells of what was not so before.
func (w *GapWatch) tellUnproven(location string, all []error) {
	known, now := w.unproven[location], map[string]bool{}
	for _, why := range all {
		now[why.Error()] = true
		if !known[why.Error()] {
			w.Unproven(location, why)
		}
	}
	w.unproven[location] = now
}

// lostHistories names the timelines whose history files are missing.
func lostHistories(segments []logarchive.Segment) (lost []error) {
	type course struct {
		stream string
		line   uint32
	}
	known := map[course]bool{}
	for _, s := range segments {
		if isHistory(s) {
			known[course{s.Stream, s.Line}] = true
		}
	}
	for _, s := range segments {
		c := course{s.Stream, s.Line}
		if s.Line > 1 && !known[c] {
			lost = append(lost, noHistory(s.Line))
			known[c] = true
		}
	}
	return lost
}

// wanted tells whether a gap lies in the point-in-time window: what begins
// where it ends was archived after that began. What nothing follows was the
// newest of its line.
func (w *GapWatch) wanted(ctx context.Context, k int, a *logarchive.Archive, segments []logarchive.Segment, gap logarchive.Gap) (bool, error) {
	at := slices.IndexFunc(segments, func(s logarchive.Segment) bool {
		return s.Stream == gap.Stream && s.Line == gap.Line && s.Start == gap.End && (s.Kind == logarchive.Whole || s.Kind == logarchive.Slice)
	})
	if at < 0 {
		return true, nil
	}
	after, err := a.Record(ctx, segments[at])
	return err == nil && after.Time.After(w.From(k, time.Now())), err
}
