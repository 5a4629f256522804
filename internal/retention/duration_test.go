package retention

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]Duration{
		"":          {},
		"1y5m7d2h":  {Years: 1, Months: 5, Days: 7, Hours: 2},
		" 30d ":     {Days: 30},
		"7h3y":      {Years: 3, Hours: 7},
		"-5d":       {Days: -5},
		"0d":        {},
		"00012m":    {Months: 12},
		"10000000h": {Hours: 10_000_000},
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %+v, %v", text, got, err)
		}
	}
}

func TestParseDurationSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"5":                     "no unit",
		"d":                     "no number",
		"1y-":                   "no number",
		"1y d":                  "no number",
		"3x":                    "not a unit",
		"2w":                    "14d",
		"1d10d":                 "twice",
		"1.5d":                  "not a unit",
		"99999999999999999999y": "too large",
		"10000001h":             "too large",
		"--1d":                  "no number",
	} {
		_, err := ParseDuration(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), text) {
			t.Errorf("ParseDuration(%q): %v, want %q", text, err, want)
		}
	}
}

func TestDurationReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyDuration.Draw(t, "duration")
		if got, err := ParseDuration(want.String()); err != nil || got != want {
			t.Fatalf("%q is read as %+v, %v", want, got, err)
		}
	})
}

func TestDurationBefore(t *testing.T) {
	end := time.Date(2023, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"1m":       "2023-03-03 12:00", // February has no 31st
		"1y1d":     "2022-03-30 12:00",
		"13h":      "2023-03-30 23:00",
		"2y3m1d5h": "2020-12-30 07:00",
	} {
		d, err := ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Before(end).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%s before %v is %s, want %s", text, end, got, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1y5m7d2h", "-5h", "2w", "9999999999y", " 1d ", "1d1d", "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q is %+v, written %q, read %+v, %v", s, d, d, again, err)
		}
		d.Before(now)
	})
}
