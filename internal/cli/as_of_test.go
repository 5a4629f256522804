package cli

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
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
		{"2026-11-03 14:05:00.25+02", time.Date(2026, 11, 3, 12, 5, 0, 250e6, time.UTC)},
		{"2027-01-01", time.Date(2027, 1, 1, 0, 0, 0, 0, time.Local)},
		{"2026-11-03T14:05:00Z", time.Date(2026, 11, 3, 14, 5, 0, 0, time.UTC)},
	} {
		if got, err := parseTime(test.in, now); err != nil || !got.Equal(test.want) {
			t.Errorf("%q: %v, %v; want %v", test.in, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "yesterday", "2026-13-01"} {
		if got, err := parseTime(bad, now); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}

func TestAsOfIsNotInTheFuture(t *testing.T) {
	var f asOfFlag
	if err := f.Set(time.Now().Add(time.Hour).Format(time.RFC3339)); err == nil {
		t.Errorf("the future was taken: %v", f)
	}
	if err := f.Set("1h"); err != nil || f.IsZero() {
		t.Errorf("an hour ago: %v, %v", f, err)
	}
}
