package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
	from := newest
	if k := slices.IndexFunc(ends, func(end logarchive.Range) bool { return r.kept != 0 && postgres.LSN(end.End) >= r.kept }); k >= 0 {
		from = ends[k]
	}
	r.timeline, r.covered = from.Line, postgres.LSN(from.End)
	r.start = r.floor(r.covered)
	return nil
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
