package schedule

import (
	"slices"
	"time"
)

// Window is a span of time that comes again each week, or some days of the
// calendar.
type Window struct {
	// Days has the days on which it begins, by time.Weekday.
	Days [7]bool
	// From and To are times of day by the clock on the wall, since midnight; To
	// is at most 24 h. If it is not after From, the window goes on into the
	// next day.
	From, To time.Duration

	// First and Last, where set, are the first and the last day of a span of
	// days, at midnight UTC. All else is then not used.
	First, Last time.Time
}

// contains tells whether a clock that shows wall is within the window.
func (w Window) contains(wall time.Time) bool {
	if !w.First.IsZero() {
		return !wall.Before(w.First) && wall.Before(w.Last.AddDate(0, 0, 1))
	}
	midnight := midnightOf(wall)
	since, today := wall.Sub(midnight), wall.Weekday()
	if w.From < w.To {
		return w.Days[today] && w.From <= since && since < w.To
	}
	return w.Days[today] && since >= w.From || w.Days[(today+6)%7] && since < w.To
}

func midnightOf(wall time.Time) time.Time {
	return time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC)
}

// Hours say when something may begin: within any of Windows, where there are
// any, and in none of the Blackouts.
type Hours struct {
	Windows, Blackouts []Window
	// Zone is whose times of day they are.
	Zone *time.Location
}

// Open tells whether something may begin at t.
func (h Hours) Open(t time.Time) bool {
	if len(h.Windows)+len(h.Blackouts) == 0 {
		return true
	}
	wall := wallOf(t.In(h.Zone))
	in := func(w Window) bool { return w.contains(wall) }
	return (len(h.Windows) == 0 || slices.ContainsFunc(h.Windows, in)) && !slices.ContainsFunc(h.Blackouts, in)
}

// searchDays is how far ahead an opening is looked for: further than any
// pattern of days of the week and a blackout of a whole year.
const searchDays = 2 * 366

// From returns the first instant from t on at which something may begin; the
// zero time if there is none within two years.
func (h Hours) From(t time.Time) time.Time {
	if h.Open(t) {
		return t
	}
	wall := wallOf(t.In(h.Zone))
	midnight := midnightOf(wall)
	for day := range searchDays {
		for _, at := range h.changes(midnight.AddDate(0, 0, day)) {
			if at.After(t) && h.Open(at) {
				return at
			}
		}
	}
	return time.Time{}
}

// changes returns the instants of a day at which it may open, in order.
func (h Hours) changes(midnight time.Time) []time.Time {
	times := []time.Duration{0}
	for _, w := range h.Windows {
		times = append(times, w.From)
	}
	for _, w := range h.Blackouts {
		times = append(times, w.To)
	}
	slices.Sort(times)
	instants := make([]time.Time, len(times))
	for k, since := range times {
		instants[k] = instantOf(midnight.Add(since), h.Zone)
	}
	return instants
}
