package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// MinEvery is the shortest interval of "@every".
const MinEvery = time.Second

// Expression is a parsed cron expression in a time zone. The zero value is
// never due.
type Expression struct {
	text string
	zone *time.Location
	// every is set for "@every"; otherwise fields is.
	every  time.Duration
	fields *cron.SpecSchedule
}

// Parse reads a cron expression: minute, hour, day of month, month and day of
// week ("0 2 * * MON-FRI"), one of @hourly, @daily, @weekly, @monthly and
// @yearly, or "@every 6h". Days of the week may be written 0 to 7 or SUN to
// SAT, and ranges of them may go over Sunday. Times of day are those of zone.
//
// "@every" counts from the Unix epoch, so that it does not depend on when
// somebody began to count. As in other implementations, when both the day of
// month and the day of week are restricted, either is enough.
func Parse(text string, zone *time.Location) (Expression, error) {
	text = strings.TrimSpace(text)
	e := Expression{text: text, zone: zone}
	if after, ok := strings.CutPrefix(text, "@every"); ok {
		return e.parseEvery(strings.TrimSpace(after))
	}
	if err := checkFields(text); err != nil {
		return Expression{}, err
	}
	spec, err := plainWeekdays(text)
	if err != nil {
		return Expression{}, fmt.Errorf("%q: %w", text, err)
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return Expression{}, fmt.Errorf("%q is no cron expression: %w", text, err)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Expression{}, fmt.Errorf("%q is no cron expression", text)
	}
	fields.Location = time.UTC // wall clocks are walked as if they were UTC
	e.fields = fields
	if fields.Next(leapYear).IsZero() {
		return Expression{}, fmt.Errorf("%q is never due: there is no such day", text)
	}
	return e, nil
}

// leapYear is where the search for a first instant begins: the 29th of
// February is a day that exists.
var leapYear = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

func (e Expression) parseEvery(interval string) (Expression, error) {
	d, err := time.ParseDuration(interval)
	switch {
	case err != nil:
		return Expression{}, fmt.Errorf("%q: write the interval like @every 6h or @every 1h30m", e.text)
	case d < MinEvery:
		return Expression{}, fmt.Errorf("%q: the shortest interval is %v", e.text, MinEvery)
	}
	e.every = d
	return e, nil
}

func checkFields(text string) error {
	switch n := len(strings.Fields(text)); {
	case text == "":
		return errors.New("the expression is empty: write it like 0 2 * * *")
	case strings.Contains(text, "TZ="):
		return fmt.Errorf("%q: the time zone has a key of its own, timezone", text)
	case strings.HasPrefix(text, "@"), n == 5:
		return nil
	default:
		return fmt.Errorf("%q has %d fields: write minute, hour, day of month, month and day of week, such as 0 2 * * *", text, n)
	}
}

// String returns the expression as it was written.
func (e Expression) String() string { return e.text }

// IsZero tells whether there is no expression.
func (e Expression) IsZero() bool { return e.fields == nil && e.every == 0 }

// Next returns the first instant after another one at which the expression is
// due; the zero time if there is none.
func (e Expression) Next(after time.Time) time.Time {
	switch {
	case e.every > 0:
		return e.nextInterval(after)
	case e.fields == nil:
		return time.Time{}
	case everyHour(e.fields):
		return e.nextReal(after.In(e.zone))
	default:
		return e.nextWall(after.In(e.zone))
	}
}

func (e Expression) nextInterval(after time.Time) time.Time {
	since := after.Sub(time.Unix(0, 0)) // enough for the next 200 years
	into := since % e.every
	if into < 0 {
		into += e.every
	}
	return after.Add(e.every - into).In(e.zone)
}

// nextReal finds the next instant in real time. Between two changes of the
// offset from UTC, wall clocks go like UTC.
func (e Expression) nextReal(after time.Time) time.Time {
	for range maxSegments {
		_, end := after.ZoneBounds()
		wall := e.fields.Next(wallOf(after))
		if wall.IsZero() {
			return time.Time{}
		}
		_, offset := after.Zone()
		next := wall.Add(-time.Duration(offset) * time.Second).In(e.zone)
		if end.IsZero() || next.Before(end) {
			return next
		}
		if after = end; e.dueAt(end) {
			return end
		}
	}
	return time.Time{}
}

// maxSegments bounds the search: no zone changes its offset as often in the
// years that an expression is searched for.
const maxSegments = 64

// dueAt tells whether an expression is due at an instant.
func (e Expression) dueAt(t time.Time) bool {
	wall := wallOf(t)
	return e.fields.Next(wall.Add(-1)).Equal(wall)
}

// nextWall finds the next time of day, and the instant at which it is.
func (e Expression) nextWall(after time.Time) time.Time {
	wall := wallOf(after)
	for {
		wall = e.fields.Next(wall)
		if wall.IsZero() {
			return wall
		}
		// In an hour that exists for the second time this skips all of it;
		// times that do not exist are all at one instant.
		if at := instantOf(wall, e.zone); at.After(after) {
			return at
		}
	}
}

func everyHour(s *cron.SpecSchedule) bool {
	const all = 1<<24 - 1
	return s.Hour&all == all
}
