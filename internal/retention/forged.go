package retention

import (
	"cmp"
	"slices"
	"time"
)

// Dated is a snapshot with the date it claims and the instant at which the
// store, by its own clock, got it.
type Dated struct {
	ID     string
	Time   time.Time
	Stored time.Time // zero where the store does not tell
	// Edited says that it was made from another snapshot, by a change of tags,
	// a rewrite or a copy: its date is that of the first one, and says nothing
	// about when it was stored.
	Edited bool
}

const (
	// aheadTolerance is how far a snapshot may be dated after it was stored:
	// clocks differ.
	aheadTolerance = time.Hour
	// orderTolerance is how much later than others that are dated after it a
	// snapshot may be stored: two backups of the same paths can overlap.
	orderTolerance = 24 * time.Hour
)

// Forged finds snapshots whose dates cannot be true, and says why: those that
// were dated after they were stored, and those that came when there were
// newer ones already. Whoever may add snapshots could so take the places of
// good ones. All snapshots given are rivals, of one group.
//
// A backup that was given an earlier time on purpose is found, too.
func Forged(snapshots []Dated) map[string]string {
	forged := make(map[string]string)
	sorted := slices.SortedFunc(slices.Values(snapshots), func(a, b Dated) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID))
	})
	var earliest time.Time // of the stores of those dated after
	next := 0
	for _, s := range sorted {
		for next < len(sorted) && sorted[next].Time.After(s.Time) {
			if n := sorted[next]; n.believable() && (earliest.IsZero() || n.Stored.Before(earliest)) {
				earliest = n.Stored
			}
			next++
		}
		switch {
		case s.Stored.IsZero() || s.Edited:
		case s.isAhead():
			forged[s.ID] = "dated " + s.Time.Format(time.DateTime) + " and stored before that, at " + s.Stored.In(s.Time.Location()).Format(time.DateTime)
		case !earliest.IsZero() && s.Stored.Sub(earliest) > orderTolerance:
			forged[s.ID] = "dated " + s.Time.Format(time.DateTime) + " and stored after newer ones, at " + s.Stored.In(s.Time.Location()).Format(time.DateTime)
		}
	}
	return forged
}

func (d *Dated) isAhead() bool { return d.Time.Sub(d.Stored) > aheadTolerance }

// believable tells whether a snapshot can speak against others.
func (d *Dated) believable() bool { return !d.Stored.IsZero() && !d.isAhead() && !d.Edited }
