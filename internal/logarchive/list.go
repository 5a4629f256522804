package logarchive

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"holdfast/storage"
)

// List returns the archived segments of a stream, or of all streams for "",
// in the order of stream, line and position. A listing reads no record: see
// Verify for proof.
func (a *Archive) List(ctx context.Context, stream string) ([]Segment, error) {
	prefix := Root + a.o.Source + "/"
	if stream != "" {
		prefix += stream + "/"
	}
	return a.list(ctx, prefix)
}

// list returns the segments below a prefix, sorted.
func (a *Archive) list(ctx context.Context, prefix string) ([]Segment, error) {
	var found []Segment
	err := a.store.List(ctx, prefix, func(info storage.Info) error {
		if s, ok := parseRecordKey(a.o.Source, info.Key); ok {
			found = append(found, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log archive: %w", err)
	}
	slices.SortFunc(found, compareSegments)
	return found, nil
}

func compareSegments(a, b Segment) int {
	return cmp.Or(
		cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// before returns the segments of a line that end at a position, whole ones
// first: what a segment that begins there continues.
func (a *Archive) before(ctx context.Context, s Segment) ([]Segment, error) {
	if s.Start == 0 {
		return nil, nil
	}
	last := s
	last.Start--
	found, err := a.list(ctx, folder(a.o.Source, last))
	if err != nil {
		return nil, err
	}
	return endingAt(found, s.Start), nil
}

// endingAt leaves those of a line that end at a position.
func endingAt(found []Segment, at Position) []Segment {
	return slices.DeleteFunc(found, func(f Segment) bool { return !f.Kind.covers() || f.End != at })
}

// Group returns the archived segments of a line whose positions have the
// given upper 32 bits, sorted as List sorts them: a listing of bounded length.
func (a *Archive) Group(ctx context.Context, stream string, line, high uint32) ([]Segment, error) {
	return a.list(ctx, folder(a.o.Source, Segment{Stream: stream, Line: line, Start: Position(high) << 32}))
}

// Line returns the archived segments of a line, sorted as List sorts them.
func (a *Archive) Line(ctx context.Context, stream string, line uint32) ([]Segment, error) {
	return a.list(ctx, lineFolder(a.o.Source, stream, line))
}
