package wal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/storage"
)

// ErrEnd says that the archive has neither the file nor anything after it:
// the log ends here, as far as it was ever archived. It is the only answer on
// which PostgreSQL may end its recovery.
var ErrEnd = errors.New("the archive has no such file and none after it")

// ErrGap says that the archive lacks a file and has later ones.
var ErrGap = errors.New("there is a gap in the log archive")

// ErrNoHistory says that the archive has log of a timeline and lacks its history
// file. Nobody knows then where the timeline comes from, nor where those that it
// comes from end.
var ErrNoHistory = errors.New("its history file is missing; `holdfast wal receive` archives it again when it starts, and so does the next base backup")

// FetchOptions tell how files are fetched.
type FetchOptions struct {
	Archive *logarchive.Archive
	// Stream is the cluster; "" finds out from the data directory.
	Stream string
	// Others are asked in turn when the one before fails: archives of the same
	// log in other places. The log ends only if all of them say so.
	Others []*logarchive.Archive
	// Unopened is why some archives of the log could not even be opened. Then
	// nobody can say that the log ends.
	Unopened error
	// SpoolBytes bounds what a Delivery fetches ahead; 0 is a few segments.
	SpoolBytes int64
	// Until, if not 0, is how far the log is wanted: a segment that begins
	// there or later need not be archived, and is the end of the log then.
	Until postgres.LSN
}

// Fetch writes the archived file of a name to path, as restore_command must:
// the file is there whole or not at all.
func Fetch(ctx context.Context, name, path string, o FetchOptions) error {
	f, err := postgres.ParseFileName(name)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if o.Stream == "" {
		system, err := systemOf(dataDirOf(path))
		if err != nil {
			return err
		}
		o.Stream = streamName(system)
	}
	if err := o.fetchAny(ctx, f, path, false); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	return nil
}

// fetchAny asks one archive after the other.
func (o FetchOptions) fetchAny(ctx context.Context, f postgres.FileName, path string, wholeOnly bool) error {
	var ends, failures []error
	for _, archive := range append([]*logarchive.Archive{o.Archive}, o.Others...) {
		one := o
		one.Archive = archive
		err := one.fetch(ctx, f, path, wholeOnly)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrEnd):
			ends = append(ends, fmt.Errorf("%s: %w", archive.Location(), err))
		default:
			failures = append(failures, fmt.Errorf("%s: %w", archive.Location(), err))
		}
	}
	if o.Unopened != nil {
		failures = append(failures, o.Unopened)
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	return errors.Join(ends...)
}

// errNotWhole says that a segment is not archived whole yet.
var errNotWhole = errors.New("it is not archived whole")

func (o FetchOptions) fetch(ctx context.Context, f postgres.FileName, path string, wholeOnly bool) error {
	group, err := o.Archive.Group(ctx, o.Stream, f.Timeline, f.High)
	if err != nil {
		return err
	}
	want := f.String()
	if at := slices.IndexFunc(group, func(s logarchive.Segment) bool {
		return s.Name == want && s.Kind != logarchive.Slice && s.Kind != logarchive.Lost
	}); at >= 0 {
		return writeWhole(path, func(w io.Writer) error {
			_, err := o.Archive.FetchListed(ctx, group, group[at], w)
			if errors.Is(err, storage.ErrNotFound) {
				return fmt.Errorf("it went away while it was fetched: %w", ErrGap)
			}
			return err
		})
	}
	if wholeOnly {
		return errNotWhole
	}
	switch f.Kind {
	case postgres.SegmentFile:
		return o.fetchUnfinished(ctx, f, path)
	case postgres.HistoryFile:
		return o.missingHistory(ctx, f, path)
	}
	return ErrEnd
}

// missingHistory tells a timeline that is not from one whose history file is
// lost: a server that is told there is none begins another one of that number,
// and does not look for what was archived of it.
func (o FetchOptions) missingHistory(ctx context.Context, f postgres.FileName, path string) error {
	if f.Timeline == 1 { // it has none
		return ErrEnd
	}
	line, err := o.Archive.Line(ctx, o.Stream, f.Timeline)
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(line, isHistory):
		return o.fetch(ctx, f, path, false) // it has come
	case len(line) > 0:
		return noHistory(f.Timeline)
	}
	return ErrEnd
}

func isHistory(s logarchive.Segment) bool { return s.Kind == logarchive.History }

func noHistory(timeline uint32) error {
	return fmt.Errorf("%w: timeline %d has log, and %w", ErrGap, timeline, ErrNoHistory)
}

// fetchUnfinished fetches the segment that was being written when the log
// ended, or says why there is none: the end of the log, or a gap.
func (o FetchOptions) fetchUnfinished(ctx context.Context, f postgres.FileName, path string) error {
	line, err := o.Archive.LineExtent(ctx, o.Stream, f.Timeline)
	if err != nil {
		return err
	}
	if len(line.Unproven) > 0 { // nobody can say that the log ends
		return errors.Join(line.Unproven...)
	}
	want := f.String()
	if slices.ContainsFunc(line.Segments, func(s logarchive.Segment) bool { return s.Name == want && s.Kind == logarchive.Whole }) {
		return o.fetch(ctx, f, path, false) // it has become whole
	}
	parts := slicesOf(line.Segments, want)
	if len(parts) == 0 {
		return o.missing(ctx, f, line)
	}
	return writeWhole(path, func(w io.Writer) error { return o.assemble(ctx, line, parts, w) })
}

// slicesOf returns slices of a segment that together reach from its first one
// as far as any do. Slices that were made again after a restart may overlap
// those from before.
func slicesOf(group []logarchive.Segment, name string) []logarchive.Segment {
	var found []logarchive.Segment
	var best logarchive.Segment // of those that touch what is found, it reaches farthest
	for _, s := range group {   // sorted by where they begin
		switch {
		case s.Kind != logarchive.Slice || s.Name != name:
			continue
		case len(found) == 0:
			found = append(found, s)
			best = s
			continue
		case s.Start > found[len(found)-1].End:
			if best.End <= found[len(found)-1].End {
				return found // nothing fills the hole
			}
			found = append(found, best)
			if s.Start > best.End {
				return found
			}
		}
		if s.End > best.End {
			best = s
		}
	}
	if len(found) > 0 && best.End > found[len(found)-1].End {
		found = append(found, best)
	}
	return found
}

// assemble writes a segment that is not whole: its slices, then zeros, which
// recovery takes for the end of the log.
func (o FetchOptions) assemble(ctx context.Context, line *logarchive.Extent, parts []logarchive.Segment, w io.Writer) error {
	var plain bytes.Buffer
	for _, s := range parts {
		plain.Truncate(int(s.Start - parts[0].Start)) // what overlaps is the same
		if _, err := o.Archive.FetchListed(ctx, line.Segments, s, &plain); err != nil {
			return err
		}
	}
	h, err := postgres.ParseSegmentHeader(plain.Bytes())
	if err != nil { // the first slices may be missing
		return cmp.Or(o.lost(line, parts[0].Start-1, parts[0].Start), err)
	}
	if h.Start != postgres.LSN(parts[0].Start) || int64(plain.Len()) > h.SegmentBytes {
		return fmt.Errorf("%w: its slices do not make a segment", logarchive.ErrCorrupt)
	}
	end := parts[0].Start + logarchive.Position(plain.Len())
	if lost := o.lost(line, end, parts[0].Start+logarchive.Position(h.SegmentBytes)); lost != nil {
		return lost
	}
	plain.Write(make([]byte, h.SegmentBytes-int64(plain.Len())))
	_, err = w.Write(plain.Bytes())
	return err
}

// lost returns an error when some of a part of a line was archived once, as far
// as it is wanted, and is missing now.
func (o FetchOptions) lost(line *logarchive.Extent, start, end logarchive.Position) error {
	if o.Until != 0 {
		end = min(end, logarchive.Position(o.Until))
	}
	for _, gap := range line.Gaps {
		if gap.Start < end && start < gap.End {
			return fmt.Errorf("%w: %s", ErrGap, gap)
		}
	}
	return nil
}

// missing says why a segment is not there: the end of the log, or a gap.
func (o FetchOptions) missing(ctx context.Context, f postgres.FileName, line *logarchive.Extent) error {
	whole, err := o.anyWhole(ctx, line)
	if err != nil {
		return err
	}
	if whole == nil { // nothing tells how long segments are
		return cmp.Or(o.lost(line, 0, ^logarchive.Position(0)), ErrEnd)
	}
	size := int64(whole.End - whole.Start)
	start := f.Start(size)
	if o.Until != 0 && start >= o.Until {
		return ErrEnd
	}
	lost := o.lost(line, logarchive.Position(start), logarchive.Position(start)+logarchive.Position(size))
	later := laterThan(f, line)
	if lost == nil && later == "" {
		return o.beyond(ctx, f)
	}
	if older, err := o.older(ctx, f, line, size); older || err != nil {
		return cmp.Or(err, ErrEnd)
	}
	if later != "" {
		return fmt.Errorf("%w: it is missing, and %s is there", ErrGap, later)
	}
	return lost
}

// anyWhole returns a whole segment of a line, or else of its cluster; nil if
// there is none.
func (o FetchOptions) anyWhole(ctx context.Context, line *logarchive.Extent) (*logarchive.Segment, error) {
	isWhole := func(s logarchive.Segment) bool { return s.Kind == logarchive.Whole }
	if at := slices.IndexFunc(line.Segments, isWhole); at >= 0 {
		return &line.Segments[at], nil
	}
	all, err := o.Archive.List(ctx, o.Stream)
	if at := slices.IndexFunc(all, isWhole); at >= 0 {
		return &all[at], nil
	}
	return nil, err
}

// laterThan names a segment of a line after one that is missing; none for those
// that a crash left beyond the end.
func laterThan(f postgres.FileName, line *logarchive.Extent) string {
	name := f.String()
	for _, s := range line.Segments {
		part := logarchive.Range{Stream: s.Stream, Line: s.Line, Start: s.Start, End: s.End}
		if s.Kind == logarchive.Whole && s.Name > name && !logarchive.Covers(line.Loose, part) {
			return s.Name
		}
	}
	return ""
}

// older tells whether a segment is older than its timeline: then a parent has
// it.
func (o FetchOptions) older(ctx context.Context, f postgres.FileName, line *logarchive.Extent, size int64) (bool, error) {
	name := f.String()
	earlier := slices.ContainsFunc(line.Segments, func(s logarchive.Segment) bool { return s.Kind == logarchive.Whole && s.Name < name })
	if earlier || f.Timeline == 1 {
		return false, nil
	}
	branches, err := o.history(ctx, f.Timeline)
	return err == nil && f.Start(size)+postgres.LSN(size) <= branches[len(branches)-1].At, err
}

// beyond judges a segment after all that its timeline has: nothing follows
// unless the log goes on elsewhere, on a timeline that branched off later.
func (o FetchOptions) beyond(ctx context.Context, f postgres.FileName) error {
	all, err := o.Archive.List(ctx, o.Stream)
	if err != nil {
		return err
	}
	looked := map[uint32]bool{}
	for _, s := range all {
		if s.Kind != logarchive.Whole || s.Line <= f.Timeline || looked[s.Line] {
			continue
		}
		looked[s.Line] = true
		size := int64(s.End - s.Start)
		if o.Until != 0 && f.Start(size) >= o.Until {
			return ErrEnd
		}
		branches, err := o.history(ctx, s.Line)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(branches, func(b postgres.Branch) bool { return b.Timeline == f.Timeline })
		if at >= 0 && f.Start(size)+postgres.LSN(size) <= branches[at].At {
			return fmt.Errorf("%w: timeline %d has no more, and timeline %d branched off it later, at %s", ErrGap, f.Timeline, s.Line, branches[at].At)
		}
	}
	return ErrEnd
}

// history returns the ancestors of a timeline. It is an ErrNoHistory when they
// are not archived.
func (o FetchOptions) history(ctx context.Context, timeline uint32) ([]postgres.Branch, error) {
	var content bytes.Buffer
	name := postgres.FileName{Kind: postgres.HistoryFile, Timeline: timeline}
	_, err := o.Archive.Fetch(ctx, logarchive.Segment{
		Stream: o.Stream, Line: timeline, Kind: logarchive.History, Name: name.String(),
	}, &content)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, noHistory(timeline)
	}
	if err != nil {
		return nil, err
	}
	branches, err := postgres.ParseHistory(content.Bytes())
	if err == nil && len(branches) == 0 {
		err = fmt.Errorf("%w: the history file of timeline %d names no other", logarchive.ErrCorrupt, timeline)
	}
	return branches, err
}

// writeWhole makes a file of what write gives, by rename: a server that reads
// it sees all of it.
func writeWhole(path string, write func(io.Writer) error) error {
	// The name is always the same, so that what a killed fetch left is used
	// up by the next one.
	f, err := os.Create(path + ".fetched")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
