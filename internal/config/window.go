package config

import (
	"fmt"
	"strings"
	"time"
)

// Window is a span of time that comes again every week: on the days it names,
// all if none, from one time of day to another. One that ends before it begins
// goes on into the next day. Written "22:00-06:00" or "MON-FRI 22:00-06:00".
type Window struct {
	// Days has the days on which it begins, by time.Weekday.
	Days [7]bool
	// From and To are times of day, since midnight by the clock on the wall;
	// To may be 24 h.
	From, To time.Duration
}

// Windows are one or several windows.
type Windows []Window

// Blackout is a span of time in which nothing starts: a window, or from the
// beginning of one day to the end of another, written "2026-12-24..2026-12-27".
type Blackout struct {
	// Window comes again every week; nil for a span of days.
	Window *Window
	// First and Last are dates, at midnight UTC.
	First, Last time.Time
}

// Blackouts are one or several blackouts.
type Blackouts []Blackout

var dayNames = [...]string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

// UnmarshalText reads a window.
func (w *Window) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is no window: write it like 22:00-06:00, or MON-FRI 22:00-06:00", text)
	fields := strings.Fields(string(text))
	days := [7]bool{true, true, true, true, true, true, true}
	switch len(fields) {
	case 1:
	case 2:
		var ok bool
		if days, ok = parseDays(fields[0]); !ok {
			return bad
		}
	default:
		return bad
	}
	from, to, found := strings.Cut(fields[len(fields)-1], "-")
	if !found {
		return bad
	}
	got := Window{Days: days}
	var ok, okTo bool
	got.From, ok = parseTimeOfDay(from)
	got.To, okTo = parseTimeOfDay(to)
	if !ok || !okTo || got.From == got.To || got.From == 24*time.Hour {
		return bad
	}
	*w = got
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

// UnmarshalText reads a blackout.
func (b *Blackout) UnmarshalText(text []byte) error {
	first, last, isDates := strings.Cut(string(text), "..")
	if !isDates {
		w := new(Window)
		if err := w.UnmarshalText(text); err != nil {
			return fmt.Errorf("%w; or days like 2026-12-24..2026-12-27", err)
		}
		*b = Blackout{Window: w}
		return nil
	}
	from, errFrom := time.Parse(time.DateOnly, strings.TrimSpace(first))
	to, errTo := time.Parse(time.DateOnly, strings.TrimSpace(last))
	switch {
	case errFrom != nil || errTo != nil:
		return fmt.Errorf("%q is no span of days: write it like 2026-12-24..2026-12-27", text)
	case to.Before(from):
		return fmt.Errorf("%q ends before it begins", text)
	}
	*b = Blackout{First: from, Last: to}
	return nil
}

// String writes a blackout as UnmarshalText reads it.
func (b Blackout) String() string {
	if b.Window != nil {
		return b.Window.String()
	}
	return b.First.Format(time.DateOnly) + ".." + b.Last.Format(time.DateOnly)
}

// MarshalText is String.
func (b Blackout) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
