package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Keep says which snapshots stay. A snapshot stays when any rule keeps it;
// without a rule all of them do.
type Keep struct {
	// Last to Yearly count snapshots: the newest ones, or the newest of
	// that many hours, days, ... that have one. -1 keeps all of them.
	Last    int `yaml:"last,omitempty"`
	Hourly  int `yaml:"hourly,omitempty"`
	Daily   int `yaml:"daily,omitempty"`
	Weekly  int `yaml:"weekly,omitempty"`
	Monthly int `yaml:"monthly,omitempty"`
	Yearly  int `yaml:"yearly,omitempty"`
	// Within keeps everything so close to the newest snapshot, WithinHourly
	// one for each hour of that time, and so on.
	Within        Span `yaml:"within,omitempty"`
	WithinHourly  Span `yaml:"within_hourly,omitempty"`
	WithinDaily   Span `yaml:"within_daily,omitempty"`
	WithinWeekly  Span `yaml:"within_weekly,omitempty"`
	WithinMonthly Span `yaml:"within_monthly,omitempty"`
	WithinYearly  Span `yaml:"within_yearly,omitempty"`
	// Tags keeps snapshots that have one of these tags.
	Tags []string `yaml:"tags,omitempty,flow"`
}

func (k Keep) isZero() bool { return reflect.ValueOf(k).IsZero() }

func (k Keep) check(c *checker) {
	for key, n := range map[string]int{
		"last": k.Last, "hourly": k.Hourly, "daily": k.Daily,
		"weekly": k.Weekly, "monthly": k.Monthly, "yearly": k.Yearly,
	} {
		if n < -1 {
			c.key(key).report("a negative number of snapshots", "-1 keeps all of them")
		}
	}
}

// Span is a length of calendar time as the --keep-within options take it:
// "1y2m10d12h" with years, months, days and hours, in this order. Unlike in
// a Duration, m is a month, which is as long as the calendar says.
type Span string

// maxSpanDigits bounds the numbers in a Span: far beyond any calendar, far
// below any overflow.
const maxSpanDigits = 6

// spanUnits are the units of a Span in the order in which they are written.
const spanUnits = "ymdh"

// UnmarshalText reads a span.
func (s *Span) UnmarshalText(text []byte) error {
	rest, units := string(text), spanUnits
	for rest != "" {
		digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if digits <= 0 || digits > maxSpanDigits {
			break
		}
		unit := strings.IndexByte(units, rest[digits])
		if unit < 0 {
			break
		}
		rest, units = rest[digits+1:], units[unit+1:]
	}
	if rest != "" || len(text) == 0 {
		return fmt.Errorf("%q is no span of time: write it like 30d or 1y6m (y, m for months, d, h)", text)
	}
	*s = Span(text)
	return nil
}
