package tree

import "time"

// maxYear is the last year that RFC 3339 can write; the first is 0.
const maxYear = 9999

// maxZone is the first zone offset that RFC 3339 cannot write.
const maxZone = 24 * time.Hour

// StoredTime returns t as the writer stores it: in UTC, whatever the zone of
// the machine, so that the same folder gives the same tree everywhere, and
// without a monotonic reading.
func StoredTime(t time.Time) time.Time { return t.Round(0).UTC() }

// appendTime writes t as a JSON string, in its own zone.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = storable(t).AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// storable returns t moved to a year and a zone that can be written. Some
// file systems give garbage for times; losing the file over that would be
// worse than a wrong year, which is what the format asks for.
func storable(t time.Time) time.Time {
	if _, offset := t.Zone(); time.Duration(offset).Abs() >= maxZone/time.Second {
		t = t.UTC()
	}
	year := t.Year()
	if year >= 0 && year <= maxYear {
		return t
	}
	t = t.AddDate(min(max(year, 0), maxYear)-year, 0, 0)
	if year = t.Year(); year < 0 || year > maxYear {
		return time.Time{} // so far out that the arithmetic wrapped around
	}
	return t
}

// clock reads times, and remembers the last zone it met: a tree has one or two.
type clock struct {
	offset int
	zone   *time.Location
}

// parse reads the text of a JSON time. The shapes that are written are read
// here; any other is left to package time, which also finds the errors.
func (c *clock) parse(b []byte) (time.Time, error) {
	if t, ok := c.parseUsual(b); ok {
		return t, nil
	}
	var t time.Time
	err := t.UnmarshalText(b)
	return t, err
}

// dateTimeShape is the fixed part of a time; d stands for a digit.
const dateTimeShape = "dddd-dd-ddTdd:dd:dd"

func (c *clock) parseUsual(b []byte) (time.Time, bool) {
	if len(b) <= len(dateTimeShape) ||
		b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	var bad byte // gathers the errors of all digits, to test only once
	year := 100*twoDigits(b[0:], &bad) + twoDigits(b[2:], &bad)
	month, day := twoDigits(b[5:], &bad), twoDigits(b[8:], &bad)
	hour, minute, second := twoDigits(b[11:], &bad), twoDigits(b[14:], &bad), twoDigits(b[17:], &bad)
	if bad != 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	nanosecond, rest, ok := parseFraction(b[len(dateTimeShape):])
	if !ok {
		return time.Time{}, false
	}
	unix := (daysSinceEpoch(year, month, day)*24+int64(hour))*3600 + int64(minute)*60 + int64(second)
	if len(rest) == 1 && rest[0] == 'Z' {
		return time.Unix(unix, nanosecond).UTC(), true
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(unix-int64(offset), nanosecond).In(c.location(offset)), true
}

func (c *clock) location(offset int) *time.Location {
	if c.zone == nil || c.offset != offset {
		c.offset, c.zone = offset, time.FixedZone("", offset)
	}
	return c.zone
}

// parseFraction reads up to nine digits behind a point, if there is one.
func parseFraction(b []byte) (nanosecond int64, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	digits := 0
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			break
		}
		digits++
		nanosecond = nanosecond*10 + int64(c-'0')
		if digits > 9 {
			return 0, nil, false
		}
	}
	for range 9 - digits {
		nanosecond *= 10
	}
	return nanosecond, b[1+digits:], digits > 0
}

// parseOffset reads "+hh:mm" and returns seconds east of UTC.
func parseOffset(b []byte) (int, bool) {
	if len(b) != len("+hh:mm") || (b[0] != '+' && b[0] != '-') || b[3] != ':' {
		return 0, false
	}
	var bad byte
	hours, minutes := twoDigits(b[1:], &bad), twoDigits(b[4:], &bad)
	if bad != 0 || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := hours*3600 + minutes*60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// twoDigits reads b[0:2], and sets bad if they are not digits.
func twoDigits(b []byte, bad *byte) int {
	tens, ones := b[0]-'0', b[1]-'0'
	if tens > 9 || ones > 9 {
		*bad = 1
	}
	return int(tens)*10 + int(ones)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSinceEpoch counts the days from 1970-01-01 in the Gregorian calendar.
// The year is taken to begin in March, so that the leap day comes last and
// the lengths of the months follow a line; eras are 400 years long.
func daysSinceEpoch(year, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era := (year + 400) / 400 // year is at least -1
	yearOfEra := year + 400 - era*400
	dayOfYear := (153*((month+9)%12)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	const daysPerEra = 146097
	const epochDay = 719468 + daysPerEra
	return int64(era)*daysPerEra + int64(dayOfEra) - epochDay
}
