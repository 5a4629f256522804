package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/repository"
)

const (
	// clockSlack is how far the clocks of machines may be apart.
	clockSlack = time.Hour
	// aheadRead bounds the records read that are dated in the future.
	aheadRead = 20
)

// IsAhead tells whether a record is dated in the future: the clock of who made
// it was wrong, and nobody knows how old it is.
func (r *Record) IsAhead(now time.Time) bool { return r.Time.After(now.Add(clockSlack)) }

// splitAhead divides keys, the newest first, into those of records that are
// dated in the future, and the others.
func splitAhead(keys []string, now time.Time) (ahead, others []string) {
	first := folder + now.Add(clockSlack).UTC().Format(timeForm)
	n := slices.IndexFunc(keys, func(key string) bool { return key < first })
	if n < 0 {
		return keys, nil
	}
	return keys[:n], keys[n:]
}

// wrongAhead returns the last record, in the order of the chain, of those that
// are dated in the future and found something to be wrong; nil for none. The
// error tells that there are such records.
func wrongAhead(ctx context.Context, r *repository.Repository, ahead []string) (wrong *Record, err error) {
	errs := []error{fmt.Errorf("%d records of evidence are dated in the future, the last of them %s: the clock of who made them was wrong, and they do not count as read back",
		len(ahead), ahead[0])}
	for _, key := range ahead[:min(len(ahead), aheadRead)] {
		rec, err := Load(ctx, r, key)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			errs = append(errs, err)
		case rec.tellsOfErrors() && rec.Problems > 0 && (wrong == nil || wrong.Sequence < rec.Sequence):
			wrong = rec
		}
	}
	return wrong, errors.Join(errs...)
}
