package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"holdfast/internal/config"
)

// asOfFlag is an instant in the past at which a command sees the repository.
type asOfFlag struct{ time.Time }

// registerAsOf adds --as-of to a command that only reads.
func (c *command) registerAsOf(fl *pflag.FlagSet) {
	fl.Var(&c.global.asOf, "as-of", "see the repository as it was at this `time`, such as \"2026-11-03 14:00\" or 36h (ago): for places that keep versions")
	fl.Lookup("as-of").DefValue = ""
}

// String returns the instant, "" for none.
func (f *asOfFlag) String() string {
	if f.IsZero() {
		return ""
	}
	return f.Format(time.RFC3339)
}

// Type names what the flag wants.
func (f *asOfFlag) Type() string { return "time" }

// Set reads an instant that has been.
func (f *asOfFlag) Set(s string) error {
	now := time.Now()
	t, err := parseTime(s, now)
	if err == nil && t.After(now) {
		err = fmt.Errorf("%s lies in the future", t.Format(time.DateTime))
	}
	f.Time = t
	return err
}

// parseTargetTime reads an instant, seen from now.
func parseTargetTime(text string) (time.Time, error) { return parseTime(text, time.Now()) }

// parseTime reads an instant as people and PostgreSQL write it: a date, with
// or without a time of day in the zone of this machine, as RFC 3339, or how
// long ago it was.
func parseTime(text string, now time.Time) (time.Time, error) {
	var ago config.Duration
	if err := ago.UnmarshalText([]byte(text)); err == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02 15:04:05.999999-07:00", "2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999",
		"2006-01-02T15:04:05.999999", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly,
	} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it like \"2026-05-01 12:30:00\", \"2026-05-01 12:30:00+02:00\", or 36h for how long ago", text)
}
