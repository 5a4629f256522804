package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pglogrepl"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// resume decides where to begin: at the end of the archive that has least, as
// long as the server has what it lacks, or where the server writes when
// nothing is archived.
func (r *receiver) resume(ctx context.Context) error {
	ends, err := r.archiveEnds(ctx)
	if err != nil {
		return err
	}
	if len(ends) == 0 || r.o.Temporary {
		if begun, err := r.fromBranch(ctx, ends); begun || err != nil {
			return err
		}
		from := r.server
		if r.o.Temporary && r.onStandby() {
			// Its base backups begin where it last began to write out pages,
			// which may be long ago.
			from = min(from, r.kept)
		}
		r.timeline, r.start = r.next, r.floor(from)
		r.covered = r.start
		return nil
	}
	newest := ends[len(ends)-1]
	if newest.Line > r.next {
		return fmt.Errorf("the archive has timeline %d, and this server is on timeline %d: it fell behind a failover and must not go on; point the source at the present primary", newest.Line, r.next)
	}
	history, err := r.ancestors(ctx)
	if err != nil {
		return err
	}
	ends = slices.DeleteFunc(ends, func(end logarchive.Range) bool { return end.Line != r.next && indexOf(history, end.Line) < 0 })
	if len(ends) == 0 { // all that is archived branched off elsewhere
		return r.begin(ctx, r.next, history[len(history)-1].At)
	}
	from := ends[len(ends)-1]
	if k := slices.IndexFunc(ends, func(end logarchive.Range) bool { return r.kept != 0 && postgres.LSN(end.End) >= r.kept }); k >= 0 {
		from = ends[k]
	}
	r.timeline, r.covered = from.Line, postgres.LSN(from.End)
	r.start = r.floor(r.covered)
	return r.branchOff(ctx, history)
}

// fromBranch begins where the server's timeline branched off, if the archive has
// only what comes before: so that the log of a server that was restored leads on
// from that of the original, as long as it has that still.
func (r *receiver) fromBranch(ctx context.Context, ends []logarchive.Range) (begun bool, err error) {
	if len(ends) == 0 || ends[len(ends)-1].Line >= r.next || r.blind {
		return false, nil
	}
	history, err := r.ancestors(ctx)
	if err != nil {
		return false, err
	}
	r.timeline, r.start = r.next, r.floor(history[len(history)-1].At)
	r.covered, r.back = r.start, true
	return true, nil
}

// ancestors returns the timelines that the server's comes from.
func (r *receiver) ancestors(ctx context.Context) ([]postgres.Branch, error) {
	if r.next == 1 {
		return nil, nil
	}
	h, err := pglogrepl.TimelineHistory(ctx, r.conn, int32(r.next)) //nolint:gosec // as the protocol has it
	if err != nil {
		return nil, fmt.Errorf("ask the server for the history of timeline %d: %w", r.next, err)
	}
	history, err := postgres.ParseHistory(h.Content)
	if err == nil && len(history) == 0 {
		err = fmt.Errorf("the server says that timeline %d comes from no other", r.next)
	}
	return history, err
}

func indexOf(history []postgres.Branch, timeline uint32) int {
	return slices.IndexFunc(history, func(b postgres.Branch) bool { return b.Timeline == timeline })
}

// branchOff sees to it that of a timeline that the server has left no more is
// taken for archived than it had of it, and goes on with the next one where the
// server cannot send the end of the archive: a standby that took over lagged
// behind the archive, or the server was restored to an earlier instant.
func (r *receiver) branchOff(ctx context.Context, history []postgres.Branch) error {
	k := indexOf(history, r.timeline)
	if k < 0 || r.covered <= history[k].At {
		return nil
	}
	left := history[k]
	if r.o.Diverged != nil {
		r.o.Diverged(left.Timeline, left.At, r.covered)
	}
	r.covered, r.left = left.At, left.At
	if r.start <= left.At {
		return nil
	}
	next := r.next
	if k+1 < len(history) {
		next = history[k+1].Timeline
	}
	return r.begin(ctx, next, left.At)
}

// begin begins with a timeline that branched off at a position.
func (r *receiver) begin(ctx context.Context, timeline uint32, at postgres.LSN) error {
	r.timeline, r.start, r.left = timeline, r.floor(at), 0
	r.covered = r.start
	return r.archiveHistory(ctx, timeline)
}

func (r *receiver) onStandby() bool { return r.conn.ParameterStatus("in_hot_standby") == "on" }

// archiveEnds returns with what each archive that has something ends, the
// least first, and where gaps begin in it that the server can still fill. As
// many must answer as must have each segment.
func (r *receiver) archiveEnds(ctx context.Context) ([]logarchive.Range, error) {
	var ends []logarchive.Range
	var failures []error
	for _, archive := range r.o.All {
		extent, err := archive.Extent(ctx, r.stream)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", archive.Location(), err))
			continue
		}
		ends = append(ends, r.endsOf(extent.Ranges)...)
	}
	if len(r.o.All)-len(failures) < r.o.needed() {
		return nil, archiveError{errors.Join(failures...)}
	}
	slices.SortFunc(ends, func(a, b logarchive.Range) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.End, b.End))
	})
	return ends, nil
}

// endsOf returns the last of the ranges of an archive, and those before it on
// the same timeline after which the server still has all that is missing.
func (r *receiver) endsOf(ranges []logarchive.Range) []logarchive.Range {
	if len(ranges) == 0 {
		return nil
	}
	last := ranges[len(ranges)-1]
	return slices.DeleteFunc(slices.Clone(ranges), func(a logarchive.Range) bool {
		return a != last && (a.Line != last.Line || r.kept == 0 || postgres.LSN(a.End) < r.kept)
	})
}

func (r *receiver) floor(at postgres.LSN) postgres.LSN {
	return at - at%postgres.LSN(r.segmentBytes)
}
