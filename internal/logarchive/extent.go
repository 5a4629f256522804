package logarchive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/storage"
)

// Extent is what an archive has of the log, and what it should have.
type Extent struct {
	// Segments are all that it was found by, sorted as List sorts them.
	Segments []Segment
	// Ranges are the parts without a gap, and Gaps what is missing between
	// them and after the last of a line, by stream, line and position. What is
	// missing of a line of which nothing is left begins at 0.
	Ranges []Range
	Gaps   []Gap
	// Loose lie beyond a hole that a crash left: several segments were on
	// their way, and a later one arrived first. Nobody was told that they are
	// archived, so that the log ends before the hole. It is closed when the
	// archiver goes on.
	Loose []Range
	// Unproven are marks that are damaged or forged. Without them, log that
	// was lost may pass for log that was never archived.
	Unproven []error
}

// Extent finds out what an archive has of a stream, or of all for "". It reads
// a mark of each line, and records only where there are holes.
func (a *Archive) Extent(ctx context.Context, stream string) (*Extent, error) {
	prefix := Root + a.o.Source + "/"
	if stream != "" {
		prefix += stream + "/"
	}
	return a.extent(ctx, prefix)
}

// LineExtent is Extent for one line.
func (a *Archive) LineExtent(ctx context.Context, stream string, line uint32) (*Extent, error) {
	return a.extent(ctx, lineFolder(a.o.Source, stream, line))
}

func (a *Archive) extent(ctx context.Context, prefix string) (*Extent, error) {
	lines, err := a.lines(ctx, prefix)
	if err != nil {
		return nil, err
	}
	e := &Extent{}
	for _, l := range lines {
		if l, err = a.judge(ctx, l); err != nil {
			return nil, err
		}
		e.add(l)
	}
	return e, nil
}

func (e *Extent) add(l *lineExtent) {
	e.Segments = append(e.Segments, l.segments...)
	e.Ranges = append(e.Ranges, l.ranges...)
	e.Gaps = append(e.Gaps, l.gaps...)
	e.Loose = append(e.Loose, l.loose...)
	e.Unproven = append(e.Unproven, l.unproven...)
}

// lineExtent is the Extent of one line while it is found out.
type lineExtent struct {
	stream   string
	number   uint32
	segments []Segment
	marks    []storedMark // the farthest first
	// marked is what the marks say that can be proven, once proven is set;
	// passing tells that some went away meanwhile.
	marked          Position
	proven, passing bool

	ranges   []Range
	gaps     []Gap
	loose    []Range
	unproven []error
}

// lines lists what there is below a prefix, by lines.
func (a *Archive) lines(ctx context.Context, prefix string) ([]*lineExtent, error) {
	type course struct {
		stream string
		number uint32
	}
	found := map[course]*lineExtent{}
	line := func(stream string, number uint32) *lineExtent {
		c := course{stream, number}
		if found[c] == nil {
			found[c] = &lineExtent{stream: stream, number: number}
		}
		return found[c]
	}
	err := a.store.List(ctx, prefix, func(info storage.Info) error {
		if s, ok := parseRecordKey(a.o.Source, info.Key); ok {
			l := line(s.Stream, s.Line)
			l.segments = append(l.segments, s)
		} else if m, ok := parseMarkKey(a.o.Source, info.Key); ok {
			l := line(m.stream, m.line)
			l.marks = append(l.marks, storedMark{m, info.Key})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log archive: %w", err)
	}
	sorted := make([]*lineExtent, 0, len(found))
	for _, l := range found {
		slices.SortFunc(l.segments, compareSegments)
		slices.SortFunc(l.marks, compareMarks)
		sorted = append(sorted, l)
	}
	slices.SortFunc(sorted, func(a, b *lineExtent) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.number, b.number))
	})
	return sorted, nil
}

// looks is how often a line is listed at most until two listings agree on what
// was lost of its newest log: archivers are at work, and a listing may show
// what was stored last, and not what was stored a moment before.
const looks = 4

// judge finds out what a line has, by what was listed of it.
func (a *Archive) judge(ctx context.Context, l *lineExtent) (*lineExtent, error) {
	young, err := a.measure(ctx, l)
	for look := 1; err == nil && young && look < looks; look++ {
		before := l
		if l, err = a.again(ctx, before); err != nil {
			return nil, err
		}
		young, err = a.measure(ctx, l)
		if !before.passing && slices.Equal(l.gaps, before.gaps) {
			break
		}
	}
	return l, err
}

// again lists a line again. What it must have is what was known of it before.
func (a *Archive) again(ctx context.Context, before *lineExtent) (*lineExtent, error) {
	now := &lineExtent{stream: before.stream, number: before.number}
	found, err := a.lines(ctx, lineFolder(a.o.Source, before.stream, before.number))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return now, nil // pruned meanwhile
	}
	now.segments, now.marks = found[0].segments, found[0].marks
	if !before.passing && len(now.marks) > 0 && now.marks[0].at >= before.marked {
		now.marked, now.proven, now.unproven = before.marked, true, before.unproven
	}
	return now, nil
}

// measure finds the ranges and gaps of a line. It tells whether some of the
// newest log seems to be lost.
func (a *Archive) measure(ctx context.Context, l *lineExtent) (young bool, err error) {
	if err := a.proveMarks(ctx, l); err != nil {
		return false, err
	}
	all := Coverage(l.segments)
	firm, young, err := a.firm(ctx, l, all)
	if err != nil {
		return false, err
	}
	l.ranges, l.loose, l.gaps = all[:firm], all[firm:], Gaps(all[:firm])
	end := Position(0)
	if firm > 0 {
		end = all[firm-1].End
	}
	if l.marked > end {
		l.gaps = append(l.gaps, Gap{Stream: l.stream, Line: l.number, Start: end, End: l.marked})
		young = true
	}
	return young || l.passing, nil
}

// proveMarks finds out what the farthest mark says that can be proven, and
// which cannot.
func (a *Archive) proveMarks(ctx context.Context, l *lineExtent) error {
	for _, m := range l.marks {
		if l.proven {
			break
		}
		switch err := a.prove(ctx, m); {
		case err == nil:
			l.marked, l.proven = m.at, true
		case errors.Is(err, storage.ErrNotFound): // another one says more
			l.passing = true
		case IsDamage(err):
			l.unproven = append(l.unproven, err)
		default:
			return err
		}
	}
	return nil
}

// firm returns how many of the ranges of one line do not lie loose, and whether
// that was judged by the newest of its log.
func (a *Archive) firm(ctx context.Context, l *lineExtent, ranges []Range) (n int, young bool, err error) {
	told := l.marked // up to where somebody may have been told that it is archived
	for n = len(ranges); n > 1; n-- {
		in := segmentsIn(l.segments, ranges[n-1])
		if len(in) > MaxAtOnce {
			return n, false, nil
		}
		hole := ranges[n-2].End
		if told > hole {
			return n, true, nil
		}
		says, err := a.saysDurable(ctx, in)
		if err != nil || says > hole {
			return n, true, err
		}
		told = max(told, says)
	}
	return n, false, nil
}

func segmentsIn(segments []Segment, r Range) []Segment {
	return slices.DeleteFunc(slices.Clone(segments), func(s Segment) bool {
		return !s.Kind.covers() || s.Start < r.Start || s.End > r.End
	})
}

// saysDurable returns up to where the log was durable when these segments were
// archived, as the farthest of their records says. Where that is before the hole
// before them, all of them lie loose.
func (a *Archive) saysDurable(ctx context.Context, segments []Segment) (upTo Position, err error) {
	for _, s := range segments {
		record, err := a.Record(ctx, s)
		if errors.Is(err, storage.ErrNotFound) {
			continue // removed since the listing
		}
		if err != nil {
			return 0, err
		}
		upTo = max(upTo, record.Durable)
	}
	return upTo, nil
}
