package retention

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of the calendar, written like "1y5m7d2h": years, months,
// days and hours ("m" is months). What it comes to depends on where it ends,
// so it is not a number of seconds. The zero Duration switches a rule off.
type Duration struct {
	Years, Months, Days, Hours int
}

// ParseDuration reads what String writes: numbers, each followed by y, m, d
// or h, each unit at most once, in any order. White space around it is
// ignored, and an empty text is the zero Duration.
//
// restic takes the last of two numbers with one unit; here "1d 10d" written
// without care is an error, since the wrong one of them deletes snapshots.
func ParseDuration(s string) (Duration, error) {
	var d Duration
	seen := make(map[byte]bool)
	rest := strings.TrimSpace(s)
	for rest != "" {
		number, unit, after, err := cutNumber(rest)
		if err != nil {
			return Duration{}, fmt.Errorf("duration %q: %w", s, err)
		}
		field := d.field(unit)
		switch {
		case field == nil:
			return Duration{}, fmt.Errorf("duration %q: %w", s, unknownUnit(number, unit))
		case seen[unit]:
			return Duration{}, fmt.Errorf("duration %q: unit %q is there twice", s, unit)
		}
		seen[unit] = true
		*field = number
		rest = after
	}
	return d, nil
}

// cutNumber splits "5m7d" into 5, 'm' and "7d".
func cutNumber(s string) (number int, unit byte, rest string, err error) {
	digits := len(s)
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (i > 0 || s[i] != '-') {
			digits = i
			break
		}
	}
	number, err = strconv.Atoi(s[:digits])
	switch {
	case errors.Is(err, strconv.ErrRange) || number > maxNumber || number < -maxNumber:
		return 0, 0, "", fmt.Errorf("number %s is too large", s[:digits])
	case err != nil:
		return 0, 0, "", fmt.Errorf("no number before %q", s[digits:])
	case digits == len(s):
		return 0, 0, "", fmt.Errorf("no unit after %d (y, m, d or h)", number)
	}
	return number, s[digits], s[digits+1:], nil
}

// maxNumber keeps calendar sums far from overflow: it is 1,141 years of hours.
const maxNumber = 10_000_000

func (d *Duration) field(unit byte) *int {
	switch unit {
	case 'y':
		return &d.Years
	case 'm':
		return &d.Months
	case 'd':
		return &d.Days
	case 'h':
		return &d.Hours
	default:
		return nil
	}
}

func unknownUnit(number int, unit byte) error {
	if unit == 'w' {
		return fmt.Errorf("weeks are not a unit: write %dd for %dw", 7*number, number)
	}
	return fmt.Errorf("%q is not a unit (y, m, d or h)", unit)
}

// String is the shortest text that ParseDuration reads as d; that of the zero
// Duration is empty.
func (d Duration) String() string {
	var s strings.Builder
	for _, part := range []struct {
		number int
		unit   byte
	}{{d.Years, 'y'}, {d.Months, 'm'}, {d.Days, 'd'}, {d.Hours, 'h'}} {
		if part.number != 0 {
			s.WriteString(strconv.Itoa(part.number))
			s.WriteByte(part.unit)
		}
	}
	return s.String()
}

// Before returns the instant that lies d before t, on the calendar of t's
// zone: months and days first, so that daylight saving does not shift the
// hour, hours last. A day that its month lacks runs on into the next month.
func (d Duration) Before(t time.Time) time.Time {
	return t.AddDate(-d.Years, -d.Months, -d.Days).Add(-time.Duration(d.Hours) * time.Hour)
}

func (d Duration) negative() bool {
	return d.Years < 0 || d.Months < 0 || d.Days < 0 || d.Hours < 0
}

// Set is ParseDuration for a flag.
func (d *Duration) Set(s string) (err error) {
	*d, err = ParseDuration(s)
	return err
}

// Type names the value in help texts.
func (*Duration) Type() string { return "duration" }

// UnmarshalText is ParseDuration for a configuration.
func (d *Duration) UnmarshalText(text []byte) error { return d.Set(string(text)) }

// MarshalText is String for a configuration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
