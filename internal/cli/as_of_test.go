package cli

import (
	"testing"
	"time"
)

func TestParseAsOf(t *testing.T) {
	now := time.Date(2026, 11, 22, 20, 0, 0, 0, time.Local)
	at := func(month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute, 0, 0, time.Local)
	}
	for _, test := range []struct {
		in   string
		want time.Time
	}{
		{"36h", now.Add(-36 * time.Hour)},
		{"7d", now.Add(-7 * 24 * time.Hour)},
		{"2026-11-03", at(11, 3, 0, 0)},
		{"2026-11-03 14:05", at(11, 3, 14, 5)},
		{"2026-11-03T14:05", at(11, 3, 14, 5)},
		{"2026-11-03 14:05:00", at(11, 3, 14, 5)},
		{"2026-11-03T14:05:00Z", time.Date(2026, 11, 3, 14, 5, 0, 0, time.UTC)},
	} {
		if got, err := parseAsOf(test.in, now); err != nil || !got.Equal(test.want) {
			t.Errorf("%q: %v, %v; want %v", test.in, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "yesterday", "2027-01-01", "2026-13-01"} {
		if got, err := parseAsOf(bad, now); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}
