package schedule

import "time"

// wallOf returns what a clock on the wall shows at t, written as if it were
// UTC.
func wallOf(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// instantOf returns the first instant at which clocks in zone show wall, or
// have gone past it: where the clock is set forward over wall, that is the
// instant at which it is.
func instantOf(wall time.Time, zone *time.Location) time.Time {
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	begin, end := near.ZoneBounds()
	var first time.Time
	for _, other := range []time.Time{near, begin.Add(-1), end} {
		if other.IsZero() {
			continue
		}
		_, offset := other.In(zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if wallOf(t).Equal(wall) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		return first
	}
	// No clock ever shows it: one of the changes beside it jumps over it.
	for _, change := range []time.Time{begin, end} {
		if !change.IsZero() && wallOf(change.Add(-1)).Before(wall) && !wallOf(change).Before(wall) {
			return change
		}
	}
	return near
}
