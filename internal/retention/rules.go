package retention

import "time"

// bucket numbers the period that t lies in, on the calendar of t's zone.
// Snapshots are in one period when their numbers are equal. nr is the place of
// the snapshot, from the newest.
type bucket func(t time.Time, nr int) int

func each(_ time.Time, nr int) int { return nr }

func hour(t time.Time, _ int) int { return day(t, 0)*100 + t.Hour() }

func day(t time.Time, _ int) int { return month(t, 0)*100 + t.Day() }

func week(t time.Time, _ int) int {
	year, week := t.ISOWeek()
	return year*100 + week
}

func month(t time.Time, _ int) int { return year(t, 0)*100 + int(t.Month()) }

func year(t time.Time, _ int) int { return t.Year() }

type countRule struct {
	period string
	count  Count
	bucket bucket
}

// counts lists the counting rules in the order in which restic gives reasons.
func (p Policy) counts() [6]countRule {
	return [...]countRule{
		{"last", p.Last, each},
		{"hourly", p.Hourly, hour},
		{"daily", p.Daily, day},
		{"weekly", p.Weekly, week},
		{"monthly", p.Monthly, month},
		{"yearly", p.Yearly, year},
	}
}

type withinRule struct {
	period string
	within Duration
	bucket bucket
}

// withins lists the rules of one snapshot per period within a duration, in the
// order in which restic gives reasons.
func (p Policy) withins() [5]withinRule {
	return [...]withinRule{
		{"hourly", p.WithinHourly, hour},
		{"daily", p.WithinDaily, day},
		{"weekly", p.WithinWeekly, week},
		{"monthly", p.WithinMonthly, month},
		{"yearly", p.WithinYearly, year},
	}
}
