package logarchive

import (
	"fmt"
	"slices"
)

// Range is a part of one line that is archived without a gap.
type Range struct {
	Stream     string
	Line       uint32
	Start, End Position
}

// Gap is a part of a line that is missing between two that are archived.
type Gap Range

// String names the gap for people, with PostgreSQL's way to write positions.
func (g Gap) String() string {
	return fmt.Sprintf("timeline %d: %s to %s is missing", g.Line, g.Start.LSN(), g.End.LSN())
}

// LSN writes a position as PostgreSQL does.
func (p Position) LSN() string { return fmt.Sprintf("%X/%X", uint64(p)>>32, uint32(p)) }

// Coverage joins segments, sorted as List returns them, to the ranges they
// cover.
func Coverage(segments []Segment) []Range {
	var ranges []Range
	for _, s := range segments {
		if !s.Kind.covers() {
			continue
		}
		if n := len(ranges); n > 0 {
			last := &ranges[n-1]
			if last.Stream == s.Stream && last.Line == s.Line && s.Start <= last.End {
				last.End = max(last.End, s.End)
				continue
			}
		}
		ranges = append(ranges, Range{Stream: s.Stream, Line: s.Line, Start: s.Start, End: s.End})
	}
	return ranges
}

// Gaps returns what is missing between the ranges of each line.
func Gaps(ranges []Range) []Gap {
	var gaps []Gap
	for k := 1; k < len(ranges); k++ {
		a, b := ranges[k-1], ranges[k]
		if a.Stream == b.Stream && a.Line == b.Line {
			gaps = append(gaps, Gap{Stream: a.Stream, Line: a.Line, Start: a.End, End: b.Start})
		}
	}
	return gaps
}

// Covers tells whether the ranges hold all of a part of a line.
func Covers(ranges []Range, part Range) bool {
	return slices.ContainsFunc(ranges, func(r Range) bool {
		return r.Stream == part.Stream && r.Line == part.Line && r.Start <= part.Start && part.End <= r.End
	})
}
