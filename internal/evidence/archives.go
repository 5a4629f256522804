package evidence

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"holdfast/repository"
)

// ArchivesRead is what was read back of the archives in one place.
type ArchivesRead struct {
	// Place is where they lie, as it was named.
	Place string `json:"place"`
	// Count is how many were read, All whether those are all there were.
	Count int  `json:"count"`
	All   bool `json:"all"`
	// Opened tells that a key was there, with which they were unpacked, too.
	Opened bool `json:"opened"`
}

// LastRead says when the archives in a place were last read back.
type LastRead struct {
	// Good is when all of them were last read without error, zero for never,
	// and Opened that they were unpacked then.
	Good   time.Time `json:"good,omitzero"`
	Opened bool      `json:"opened,omitempty"`
	// Bad is when one of them was last found to be wrong, unless all were good
	// since.
	Bad time.Time `json:"bad,omitzero"`
}

// LastArchives returns, for each place, when archives were last read back, as the
// newest records in a repository tell. Records that cannot be read are errors
// beside it; one that is dated after now does not count as good (see Latest).
func LastArchives(ctx context.Context, r *repository.Repository, now time.Time) (map[string]LastRead, error) {
	keys, err := Keys(ctx, r)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !IsOf(key, Archives) })
	var records []*Record
	var errs []error
	for _, key := range keys[:min(len(keys), lookBack)] {
		rec, err := Load(ctx, r, key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil || rec.Archives == nil {
			errs = append(errs, err)
			continue
		}
		records = append(records, rec)
	}
	// That of the chain is the order in which they were made, whatever clocks say.
	slices.SortStableFunc(records, func(a, b *Record) int { return cmp.Compare(b.Sequence, a.Sequence) })
	last := make(map[string]LastRead)
	for _, rec := range records {
		a := rec.Archives
		switch known := last[a.Place]; {
		case !known.Good.IsZero(): // what was before does not count
		case rec.Problems > 0 && known.Bad.IsZero():
			known.Bad = rec.Time
			last[a.Place] = known
		case rec.Problems == 0 && a.All && !rec.IsAhead(now):
			known.Good, known.Opened = rec.Time, a.Opened
			last[a.Place] = known
		}
	}
	return last, errors.Join(errs...)
}
