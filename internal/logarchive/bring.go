package logarchive

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Bring transfers what this archive lacks of some parts of a log, and another
// archive of the same source has: byte for byte, as Transfer does. It goes
// backwards, so that what is brought joins what follows it here, and whoever
// looks meanwhile sees no gap that is not there. It may be cut off at any
// instant and done again; done is told of every segment that is there.
//
// A stream's history files are brought with any part of it. What the other
// archive lacks is not brought, and is no error: see Covers.
func (a *Archive) Bring(ctx context.Context, from *Archive, parts []Range, done func(Segment) error) error {
	byStream := map[string][]Range{}
	for _, p := range parts {
		byStream[p.Stream] = append(byStream[p.Stream], p)
	}
	for stream, wanted := range byStream {
		if err := a.bring(ctx, from, stream, wanted, done); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) bring(ctx context.Context, from *Archive, stream string, wanted []Range, done func(Segment) error) error {
	have, err := a.List(ctx, stream)
	if err != nil {
		return err
	}
	theirs, err := from.List(ctx, stream)
	if err != nil {
		return err
	}
	lacking := lackingOf(have, theirs, wanted)
	slices.SortFunc(lacking, func(a, b Segment) int {
		return cmp.Or(cmp.Compare(a.Kind.rank(), b.Kind.rank()), cmp.Compare(b.Line, a.Line), cmp.Compare(b.End, a.End), cmp.Compare(a.Start, b.Start))
	})
	for _, s := range lacking {
		err := a.Transfer(ctx, from, s)
		if errors.Is(err, ErrOutOfChain) {
			if err = a.arrives(ctx, s, theirs, wanted, err); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		if err := done(s); err != nil {
			return err
		}
	}
	return nil
}

// A receiver may archive here at the same time, and cut the newest segment
// elsewhere than the other archive did: nothing of that fits then, and it brings
// the rest by itself.
const (
	arrivesWithin = 15 * time.Second
	arrivesPoll   = 250 * time.Millisecond
)

// arrives waits until a segment that does not fit is not lacking any more;
// otherwise it returns why it does not fit.
func (a *Archive) arrives(ctx context.Context, s Segment, theirs []Segment, wanted []Range, misfit error) error {
	for until := time.Now().Add(arrivesWithin); time.Now().Before(until); {
		have, err := a.List(ctx, s.Stream)
		if err != nil {
			return err
		}
		if !slices.Contains(lackingOf(have, theirs, wanted), s) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(arrivesPoll):
		}
	}
	return misfit
}

// rank puts first what tells of lines, so that no segment of a line is there
// without it.
func (k Kind) rank() int {
	if k == History {
		return 0
	}
	return 1
}

// lackingOf returns which of the segments that another archive has are needed
// for what is wanted and not there.
func lackingOf(have, theirs []Segment, wanted []Range) (lacking []Segment) {
	there := make(map[Segment]bool, len(have))
	for _, s := range have {
		there[s] = true
	}
	covered := Coverage(have)
	var whole []Segment
	ends := map[Range]bool{} // where segments end, and a slice may that is linked to
	for _, s := range theirs {
		if s.Kind == Whole {
			whole = append(whole, s)
			ends[Range{Stream: s.Stream, Line: s.Line, End: s.End}] = true
		}
	}
	byWhole := Coverage(whole)
	for _, s := range theirs {
		if there[s] || s.Kind != History && !overlaps(s, wanted) {
			continue
		}
		self := Range{Stream: s.Stream, Line: s.Line, Start: s.Start, End: s.End}
		switch s.Kind {
		case History:
		case Whole:
			if Covers(covered, self) {
				continue
			}
		case Slice:
			if Covers(covered, self) || Covers(byWhole, self) && !ends[Range{Stream: s.Stream, Line: s.Line, End: s.End}] {
				continue
			}
		default: // notes of the other archive, and labels nobody restores with
			continue
		}
		lacking = append(lacking, s)
	}
	return lacking
}

func overlaps(s Segment, wanted []Range) bool {
	return slices.ContainsFunc(wanted, func(w Range) bool { return s.Line == w.Line && s.Start < w.End && w.Start < s.End })
}
