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

// Set reads an instant: a date, with or without a time of day in the zone of
// this machine, as RFC 3339, or how long ago it was.
func (f *asOfFlag) Set(s string) error {
	t, err := parseAsOf(s, time.Now())
	f.Time = t
	return err
}

func parseAsOf(s string, now time.Time) (time.Time, error) {
	var ago config.Duration
	if err := ago.UnmarshalText([]byte(s)); err == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		t, err := time.ParseInLocation(layout, s, time.Local)
		if err != nil {
			continue
		}
		if t.After(now) {
			return t, fmt.Errorf("%s lies in the future", t.Format(time.DateTime))
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it like 2026-11-03T14:00:00Z, \"2026-11-03 14:00\", or 36h for how long ago", s)
}
