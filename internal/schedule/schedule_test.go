package schedule_test

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"holdfast/internal/schedule"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t interface{ Fatal(...any) }, text string, z *time.Location) schedule.Expression {
	e, err := schedule.Parse(text, z)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const layout = "Mon 2006-01-02 15:04 MST"

func TestInstants(t *testing.T) {
	for _, c := range []struct {
		name, expression, zone, after string
		want                          []string
	}{
		{
			"every night", "0 2 * * *", "UTC", "2026-01-31T12:00:00Z",
			[]string{"Sun 2026-02-01 02:00 UTC", "Mon 2026-02-02 02:00 UTC"},
		},
		{
			"days over Sunday", "0 2 * * SAT-MON", "UTC", "2026-11-20T12:00:00Z",
			[]string{"Sat 2026-11-21 02:00 UTC", "Sun 2026-11-22 02:00 UTC", "Mon 2026-11-23 02:00 UTC", "Sat 2026-11-28 02:00 UTC"},
		},
		{
			"Sunday is 7", "0 5 * * 7", "UTC", "2026-11-20T12:00:00Z",
			[]string{"Sun 2026-11-22 05:00 UTC"},
		},
		{
			"all days, as 0-7", "0 5 * * 0-7", "UTC", "2026-11-20T12:00:00Z",
			[]string{"Sat 2026-11-21 05:00 UTC", "Sun 2026-11-22 05:00 UTC", "Mon 2026-11-23 05:00 UTC"},
		},
		{
			"a day that is seldom", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z",
			[]string{"Tue 2028-02-29 00:00 UTC", "Sun 2032-02-29 00:00 UTC"},
		},
		{
			"02:30 does not exist: once, when the clock is set forward", "30 2 * * *", "Europe/Zurich", "2026-03-27T12:00:00Z",
			[]string{"Sat 2026-03-28 02:30 CET", "Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:30 CEST"},
		},
		{
			"an hour that does not exist: once, not once a minute", "*/10 2 * * *", "Europe/Zurich", "2026-03-28T01:45:00Z",
			[]string{"Sat 2026-03-28 02:50 CET", "Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:00 CEST"},
		},
		{
			"02:30 exists twice: the first time", "30 2 * * *", "Europe/Zurich", "2026-10-24T12:00:00Z",
			[]string{"Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"},
		},
		{
			"asked in the second 02:10", "30 2 * * *", "Europe/Zurich", "2026-10-25T01:10:00Z",
			[]string{"Mon 2026-10-26 02:30 CET"},
		},
		{
			"every hour counts real time, forward", "30 * * * *", "Europe/Zurich", "2026-03-29T00:00:00Z",
			[]string{"Sun 2026-03-29 01:30 CET", "Sun 2026-03-29 03:30 CEST"},
		},
		{
			"every hour counts real time, back", "30 * * * *", "Europe/Zurich", "2026-10-25T00:00:00Z",
			[]string{"Sun 2026-10-25 02:30 CEST", "Sun 2026-10-25 02:30 CET", "Sun 2026-10-25 03:30 CET"},
		},
		{
			"midnight does not exist", "0 0 * * *", "Africa/Cairo", "2026-04-22T22:30:00Z",
			[]string{"Fri 2026-04-24 01:00 EEST", "Sat 2026-04-25 00:00 EEST"},
		},
		{
			"a change of half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00:00Z",
			[]string{"Sat 2026-10-03 02:15 +1030", "Sun 2026-10-04 02:30 +11", "Mon 2026-10-05 02:15 +11"},
		},
		{
			"a day that does not exist", "0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z",
			[]string{"Thu 2011-12-29 12:00 -10", "Sat 2011-12-31 00:00 +14", "Sat 2011-12-31 12:00 +14"},
		},
		{
			"an interval counts from the epoch", "@every 6h", "UTC", "2026-01-01T01:00:00Z",
			[]string{"Thu 2026-01-01 06:00 UTC", "Thu 2026-01-01 12:00 UTC"},
		},
		{"a name", "@monthly", "UTC", "2026-01-01T00:00:00Z", []string{"Sun 2026-02-01 00:00 UTC"}},
		{
			"either day is enough", "0 0 13 * FRI", "UTC", "2026-02-10T00:00:00Z",
			[]string{"Fri 2026-02-13 00:00 UTC", "Fri 2026-02-20 00:00 UTC"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parse(t, c.expression, zone(t, c.zone))
			at, err := time.Parse(time.RFC3339, c.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				at = e.Next(at)
				if got := at.Format(layout); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestWrongExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "the expression is empty: write it like 0 2 * * *",
		"0 2 * *":            `"0 2 * *" has 4 fields: write minute, hour, day of month, month and day of week, such as 0 2 * * *`,
		"TZ=UTC 0 2 * * *":   `"TZ=UTC 0 2 * * *": the time zone has a key of its own, timezone`,
		"0 2 30 2 *":         `"0 2 30 2 *" is never due: there is no such day`,
		"0 2 * * FOO":        `"0 2 * * FOO": "FOO" is no day of the week: write SUN to SAT, or 0 to 7`,
		"@every 10ms":        `"@every 10ms": the shortest interval is 1s`,
		"@every often":       `"@every often": write the interval like @every 6h or @every 1h30m`,
		"@fortnightly":       `"@fortnightly" is no cron expression: unrecognized descriptor: @fortnightly`,
		"61 2 * * *":         `"61 2 * * *" is no cron expression: end of range (61) above maximum (59): 61`,
		"0 2 * * MON-FRI/0":  `"0 2 * * MON-FRI/0": "MON-FRI/0" is no range of days: write it like MON-SAT/2`,
		"0 2 * * MON-FRI-MO": `"0 2 * * MON-FRI-MO": "FRI-MO" is no day of the week: write SUN to SAT, or 0 to 7`,
	} {
		if _, err := schedule.Parse(text, time.UTC); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

var zones = []string{"UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"}

var someExpressions = []string{
	"0 2 * * *", "30 2 * * *", "30 1 * * SUN", "*/15 * * * *", "0 */6 * * *", "15 0 1 * *", "0 0 * * *", "* 2 * * *",
	"@every 7m", "@every 90m", "@hourly", "59 23 31 12 *", "0 3 * * MON-FRI",
}

func anyInstant(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(1_100_000_000, 1_900_000_000).Draw(t, "unix"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
}

func anyRule(t *rapid.T) schedule.Rule {
	z := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
	r := schedule.Rule{Expression: parse(t, rapid.SampledFrom(someExpressions).Draw(t, "expression"), z)}
	r.Offset = schedule.Jitter(rapid.String().Draw(t, "key"), time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "jitter")))
	return r
}

// Next is after what it is asked for, misses nothing in between, and does not
// depend on when it is asked.
func TestLawsOfNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, after := anyRule(t), anyInstant(t)
		next := r.Next(after)
		if !next.After(after) {
			t.Fatalf("the next after %v is %v", after, next)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "between")))
		if again := r.Next(between); !again.Equal(next) {
			t.Fatalf("asked at %v: %v; at %v: %v", after, next, between, again)
		}
	})
}

// One run catches up with all that was missed, and nothing is due after it.
func TestLawsOfDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, handled := anyRule(t), anyInstant(t)
		now := handled.Add(time.Duration(rapid.Int64Range(0, int64(72*time.Hour)).Draw(t, "later")))
		due, ok := r.Due(handled, now)
		if first := r.Next(handled); ok != !first.After(now) {
			t.Fatalf("due: %v, though the next after %v is %v and it is %v", ok, handled, first, now)
		}
		if !ok {
			return
		}
		if due.At.After(now) || !due.At.After(handled) {
			t.Fatalf("due at %v, handled %v, now %v", due.At, handled, now)
		}
		if _, more := r.Due(due.At, now); more {
			t.Fatalf("still due after %v at %v", due.At, now)
		}
	})
}

// However far the clock was ahead, no schedule is silent for longer than
// twice its period; and a clock set back a little starts nothing twice.
func TestLawsOfResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := anyRule(t), anyInstant(t)
		handled := now.Add(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(20*365*24*time.Hour)).Draw(t, "ahead")))
		from := r.Resume(handled, now)
		if !from.Equal(handled) && !from.Equal(now) {
			t.Fatalf("goes on from %v", from)
		}
		if !handled.After(now) && !from.Equal(handled) {
			t.Fatalf("forgot what it handled at %v, it is %v", handled, now)
		}
		next := r.Next(from)
		if period := r.Next(next).Sub(next); handled.After(now) && from.Equal(handled) && next.Sub(now) > 2*period {
			t.Fatalf("silent for %v with a period of %v", next.Sub(now), period)
		}
	})
}

func TestAClockSetBackByAnHour(t *testing.T) {
	r := schedule.Rule{Expression: parse(t, "0 2 * * *", time.UTC)}
	handled := time.Date(2026, 5, 2, 2, 0, 0, 0, time.UTC)
	if _, again := r.Due(r.Resume(handled, handled.Add(-time.Hour)), handled.Add(time.Minute)); again {
		t.Error("the night's backup is due twice")
	}
	often := schedule.Rule{Expression: parse(t, "@every 10s", time.UTC)}
	if _, due := often.Due(often.Resume(handled, handled.Add(-time.Hour)), handled.Add(-time.Hour+time.Minute)); !due {
		t.Error("nothing is due for an hour")
	}
}

func TestJitter(t *testing.T) {
	var offsets []time.Duration
	for k := range 1000 {
		offset := schedule.Jitter("plan-"+string(rune('a'+k%26))+string(rune('a'+k/26)), 10*time.Minute)
		if offset < 0 || offset >= 10*time.Minute {
			t.Fatalf("%v is out of range", offset)
		}
		offsets = append(offsets, offset)
	}
	slices.Sort(offsets)
	if median := offsets[500]; median < 4*time.Minute || median > 6*time.Minute {
		t.Errorf("the median of 1000 offsets below 10m is %v", median)
	}
	if a, b := schedule.Jitter("shop", time.Hour), schedule.Jitter("shop", time.Hour); a != b {
		t.Errorf("%v, then %v", a, b)
	}
	if schedule.Jitter("shop", 0) != 0 {
		t.Error("there is a jitter without a limit")
	}
}

var everyDay = [7]bool{true, true, true, true, true, true, true}

func TestHours(t *testing.T) {
	zurich := zone(t, "Europe/Zurich")
	night := schedule.Window{Days: everyDay, From: 22 * time.Hour, To: 6 * time.Hour}
	weekend := schedule.Window{Days: [7]bool{time.Saturday: true, time.Sunday: true}, To: 24 * time.Hour}
	holidays := schedule.Window{First: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC), Last: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	lost := schedule.Window{Days: everyDay, From: 2*time.Hour + 10*time.Minute, To: 2*time.Hour + 50*time.Minute}
	for _, c := range []struct {
		name              string
		windows, blackout []schedule.Window
		at, want          string
	}{
		{"always", nil, nil, "2026-05-04T12:00", "Mon 2026-05-04 12:00 CEST"},
		{"before the night", []schedule.Window{night}, nil, "2026-05-04T12:00", "Mon 2026-05-04 22:00 CEST"},
		{"after midnight", []schedule.Window{night}, nil, "2026-05-04T05:59", "Mon 2026-05-04 05:59 CEST"},
		{"its end does not belong to it", []schedule.Window{night}, nil, "2026-05-04T06:00", "Mon 2026-05-04 22:00 CEST"},
		{"either window", []schedule.Window{weekend, night}, nil, "2026-05-08T12:00", "Fri 2026-05-08 22:00 CEST"},
		{"not during a blackout", nil, []schedule.Window{weekend}, "2026-05-09T12:00", "Mon 2026-05-11 00:00 CEST"},
		{"days of the calendar", nil, []schedule.Window{holidays}, "2026-12-24T00:00", "Sat 2027-01-02 00:00 CET"},
		{"a window and a blackout", []schedule.Window{night}, []schedule.Window{weekend}, "2026-05-08T23:59", "Fri 2026-05-08 23:59 CEST"},
		{"a window within a blackout", []schedule.Window{night}, []schedule.Window{weekend}, "2026-05-09T00:00", "Mon 2026-05-11 00:00 CEST"},
		{"a window that does not exist that night", []schedule.Window{lost}, nil, "2026-03-28T12:00", "Mon 2026-03-30 02:10 CEST"},
		{"never", []schedule.Window{weekend}, []schedule.Window{weekend}, "2026-05-04T12:00", "Mon 0001-01-01 00:00 UTC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.ParseInLocation("2006-01-02T15:04", c.at, zurich)
			if err != nil {
				t.Fatal(err)
			}
			hours := schedule.Hours{Windows: c.windows, Blackouts: c.blackout, Zone: zurich}
			got := hours.From(at)
			if got.Format(layout) != c.want {
				t.Errorf("got %s, want %s", got.Format(layout), c.want)
			}
			if !got.IsZero() && !hours.Open(got) {
				t.Errorf("not open at %s", got.Format(layout))
			}
		})
	}
}
