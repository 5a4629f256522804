package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/schedule"
)

// Window is a span of time that comes again each week: 22:00-06:00 on all days,
// SAT,SUN 00:00-24:00 on some. One that ends before it begins goes on into the
// next day. It may also be days of the calendar, 2026-12-24..2027-01-01, both
// included.
type Window struct{ schedule.Window }

// Windows are several of them; one alone needs no list.
type Windows []Window

// Spans returns the windows as the rules of schedules have them.
func (ws Windows) Spans() []schedule.Window {
	spans := make([]schedule.Window, len(ws))
	for i, w := range ws {
		spans[i] = w.Window
	}
	return spans
}

var dayNames = [...]string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

var errWindow = errors.New(`write it like 22:00-06:00, "SAT,SUN 00:00-24:00" or 2026-12-24..2027-01-01`)

// UnmarshalText reads a window.
func (w *Window) UnmarshalText(text []byte) (err error) {
	bad := fmt.Errorf("%q is no window: %w", text, errWindow)
	fields := strings.Fields(string(text))
	got := schedule.Window{Days: [7]bool{true, true, true, true, true, true, true}}
	ok := true
	switch len(fields) {
	case 1:
		if strings.Contains(fields[0], "..") {
			return w.readDates(fields[0], bad)
		}
	case 2:
		got.Days, ok = parseDays(fields[0])
	default:
		return bad
	}
	from, to, isSpan := strings.Cut(fields[len(fields)-1], "-")
	var okFrom, okTo bool
	got.From, okFrom = parseTimeOfDay(from)
	got.To, okTo = parseTimeOfDay(to)
	if !ok || !isSpan || !okFrom || !okTo || got.From == got.To || got.From == 24*time.Hour {
		return bad
	}
	w.Window = got
	return nil
}

func (w *Window) readDates(text string, bad error) error {
	first, last, _ := strings.Cut(text, "..")
	from, errFrom := time.Parse(time.DateOnly, first)
	to, errTo := time.Parse(time.DateOnly, last)
	switch {
	case errFrom != nil || errTo != nil:
		return bad
	case to.Before(from):
		return fmt.Errorf("%q ends before it begins", text)
	}
	w.Window = schedule.Window{First: from, Last: to}
	return nil
}

// parseDays reads "MON-FRI", "SAT,SUN" and mixtures.
func parseDays(text string) (days [7]bool, ok bool) {
	for part := range strings.SplitSeq(strings.ToUpper(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := dayOf(first), dayOf(last)
		if from < 0 || to < 0 {
			return days, false
		}
		for day := from; ; day = (day + 1) % 7 {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, true
}

func dayOf(name string) int {
	for i, n := range dayNames {
		if n == name {
			return i
		}
	}
	return -1
}

// parseTimeOfDay reads "22:00" as the time since midnight; 24:00 is the end of
// the day.
func parseTimeOfDay(text string) (time.Duration, bool) {
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", text)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err == nil
}

// String writes a window as UnmarshalText reads it.
func (w Window) String() string {
	if !w.First.IsZero() {
		return w.First.Format(time.DateOnly) + ".." + w.Last.Format(time.DateOnly)
	}
	span := timeOfDay(w.From) + "-" + timeOfDay(w.To)
	var days []string
	for day, on := range w.Days {
		if on {
			days = append(days, dayNames[day])
		}
	}
	if len(days) == len(dayNames) {
		return span
	}
	return strings.Join(days, ",") + " " + span
}

func timeOfDay(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// MarshalText is String.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }
