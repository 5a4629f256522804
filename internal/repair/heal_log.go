package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/logarchive"
)

// LogOptions tell how the log archive of a source is healed.
type LogOptions struct {
	// From are the archives of the same source in the copies.
	From []*logarchive.Archive
	// ReadData reads all payloads to find damage; without, those that are
	// missing or of a wrong size are found, and all damaged records.
	ReadData bool
	// Lost, if set, is told of everything that no copy could heal.
	Lost func(what string, err error)
}

// LogReport tells what was healed of a log archive.
type LogReport struct {
	// Damaged counts the segments that could not be fetched before, Missing
	// those that only copies had.
	Damaged, Missing int
	// Healed are the segments that came from a copy and were read back.
	Healed []logarchive.Segment
	// Gaps is what is missing now, Lost counts what was told to
	// LogOptions.Lost.
	Gaps []logarchive.Gap
	Lost int
}

// HealLog mends the log archive of a source with what its copies hold:
// segments that are damaged, and those that are missing between the oldest one
// of a line and the newest of any copy. What is older was pruned.
//
// It needs no lock, and may be cut off at any instant and run again.
func HealLog(ctx context.Context, to *logarchive.Archive, o LogOptions) (*LogReport, error) {
	found, err := to.Inspect(ctx, o.ReadData)
	if err != nil {
		return nil, err
	}
	h := &logHealer{to: to, o: o, found: found, have: setOf(found.Segments)}
	for _, from := range o.From {
		held, err := from.Inspect(ctx, false)
		if err != nil {
			return nil, fmt.Errorf("copy at %s: %w", from.Location(), err)
		}
		h.held = append(h.held, setOf(held.Sound()))
	}
	if err := errors.Join(h.damaged(ctx), h.marks(ctx)); err != nil {
		return &h.report, err
	}
	for _, held := range h.held {
		if err := h.missing(ctx, held); err != nil {
			return &h.report, err
		}
	}
	return &h.report, h.gaps(ctx)
}

// segments is a set in the order of the log.
type segments struct {
	sorted []logarchive.Segment
	set    map[logarchive.Segment]bool
}

func setOf(sorted []logarchive.Segment) segments {
	s := segments{sorted, make(map[logarchive.Segment]bool, len(sorted))}
	for _, one := range sorted {
		s.set[one] = true
	}
	return s
}

// logHealer is the work of one HealLog.
type logHealer struct {
	to    *logarchive.Archive
	o     LogOptions
	found *logarchive.Inspection
	have  segments
	// held is what each archive of o.From has whole.
	held   []segments
	report LogReport
}

func (h *logHealer) lose(what string, err error) {
	h.report.Lost++
	if h.o.Lost != nil {
		h.o.Lost(what, err)
	}
}

// damaged heals the segments that cannot be fetched, in the order of the log:
// a segment is judged by the ones before it.
func (h *logHealer) damaged(ctx context.Context) error {
	for _, p := range h.found.Problems {
		h.report.Damaged++
		switch err := h.from(ctx, p.Segment); {
		case err == nil:
			h.report.Healed = append(h.report.Healed, p.Segment)
		case !isLoss(err):
			return err
		default:
			h.lose("log segment "+p.Name, errors.Join(p.Err, err))
		}
	}
	return nil
}

// marks removes those that cannot be proven: nobody can say where a log ends
// while they are there. What they said is lost with them.
func (h *logHealer) marks(ctx context.Context) error {
	for l := range oldestOf(h.found.Segments) {
		removed, err := h.to.RemoveUnproven(ctx, l.stream, l.number)
		for _, why := range removed {
			h.report.Damaged++
			h.lose("mark of the log", why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoCopyHasIt = errors.New("no copy has it whole")

// isLoss tells whether a segment cannot be healed, rather than a place not be
// reached.
func isLoss(err error) bool { return errors.Is(err, errNoCopyHasIt) || logarchive.IsDamage(err) }

// from brings a segment from the first copy that has it, and reads it back.
func (h *logHealer) from(ctx context.Context, s logarchive.Segment) error {
	err := errNoCopyHasIt
	for n, held := range h.held {
		if !held.set[s] {
			continue
		}
		if err = h.to.Transfer(ctx, h.o.From[n], s); err == nil {
			err = h.to.ReadBack(ctx, s)
		}
		if err == nil || !logarchive.IsDamage(err) {
			return err
		}
	}
	return err
}

// missing brings what this archive lacks and a copy has.
func (h *logHealer) missing(ctx context.Context, held segments) error {
	covered := logarchive.Coverage(h.have.sorted)
	oldest := oldestOf(h.have.sorted)
	whole := wholeOf(held.sorted)
	ends, byWhole := endsOf(whole), logarchive.Coverage(whole)
	for _, s := range held.sorted {
		needed := !covers(covered, s)
		if s.Kind == logarchive.Slice {
			needed = needed && !covers(byWhole, s) || ends[endOf(s)]
		}
		if !needed || h.have.set[s] || pruned(s, oldest) {
			continue
		}
		h.report.Missing++
		switch err := h.from(ctx, s); {
		case err == nil:
			h.have.set[s] = true
			h.report.Healed = append(h.report.Healed, s)
		case !isLoss(err):
			return err
		default:
			h.lose("log segment "+s.Name, err)
		}
	}
	return nil
}

// gaps finds out what is missing in the end.
func (h *logHealer) gaps(ctx context.Context) error {
	extent, err := h.to.Extent(ctx, "")
	if err == nil {
		h.report.Gaps = extent.Gaps
	}
	if !logarchive.IsDamage(err) {
		return err
	}
	now, err := h.to.List(ctx, "") // what was lost cannot be asked
	h.report.Gaps = logarchive.Gaps(logarchive.Coverage(now))
	return err
}

// line is one course of a log.
type line struct {
	stream string
	number uint32
}

// oldestOf returns where the archive of each line begins.
func oldestOf(segments []logarchive.Segment) map[line]logarchive.Position {
	oldest := map[line]logarchive.Position{}
	for _, s := range segments {
		if s.Kind == logarchive.History {
			continue
		}
		at, ok := oldest[line{s.Stream, s.Line}]
		if !ok || s.Start < at {
			oldest[line{s.Stream, s.Line}] = s.Start
		}
	}
	return oldest
}

// pruned tells whether an archive lacks a segment because it begins later: it
// is before the oldest of its line, or on an earlier line than any.
func pruned(s logarchive.Segment, oldest map[line]logarchive.Position) bool {
	if s.Kind == logarchive.History {
		return false // they are few, and stay
	}
	if at, ok := oldest[line{s.Stream, s.Line}]; ok {
		return s.Start < at
	}
	for l := range oldest {
		if l.stream == s.Stream && l.number > s.Line {
			return true
		}
	}
	return false
}

// covers tells whether ranges hold all of the log that a segment holds.
func covers(ranges []logarchive.Range, s logarchive.Segment) bool {
	return (s.Kind == logarchive.Slice || s.Kind == logarchive.Whole) &&
		logarchive.Covers(ranges, logarchive.Range{Stream: s.Stream, Line: s.Line, Start: s.Start, End: s.End})
}

func wholeOf(sorted []logarchive.Segment) []logarchive.Segment {
	return slices.DeleteFunc(slices.Clone(sorted), func(s logarchive.Segment) bool { return s.Kind != logarchive.Whole })
}

// endsOf are the places where segments end. A slice that ends there may be the
// one that the next segment names as its previous one.
func endsOf(whole []logarchive.Segment) map[logarchive.Range]bool {
	ends := map[logarchive.Range]bool{}
	for _, s := range whole {
		ends[endOf(s)] = true
	}
	return ends
}

func endOf(s logarchive.Segment) logarchive.Range {
	return logarchive.Range{Stream: s.Stream, Line: s.Line, Start: s.End, End: s.End}
}
