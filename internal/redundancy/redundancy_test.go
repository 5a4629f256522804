package redundancy

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func at(ago time.Duration) map[string]time.Time { return map[string]time.Time{"www": now.Add(-ago)} }

const (
	hour = time.Hour
	day  = 24 * hour
)

// whole are the facts of a plan that lacks nothing.
func whole() Facts {
	return Facts{
		Plan: "shop", Now: now,
		Copies: []Copy{
			{Name: "local", Media: "disk", Site: "dc1", Points: at(hour), LastGood: now.Add(-day), Share: 1},
			{Name: "offsite", Media: "object", Site: "us", Points: at(hour), LastGood: now.Add(-day), Share: 0.1, Protected: now.Add(day)},
		},
	}
}

func TestWhole(t *testing.T) {
	s := Judge(whole())
	if s.String() != "3-2-1-1-0" || !s.Met() || !s.Newest.Equal(now.Add(-hour)) {
		t.Errorf("%s, %+v", s, s)
	}
}

func TestEachNumberFallsForItself(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(f *Facts)
		score   string
		missing []string
	}{
		{"behind", func(f *Facts) { f.Copies[1].Points = at(5 * hour) }, "2-1-0-0-0", []string{"copies"}},
		{"a source is missing", func(f *Facts) { f.Copies[0].Points["shop"] = now }, "2-1-0-0-0", []string{"copies"}},
		{"a third one lags, which was needed", func(f *Facts) {
			f.Copies = append(f.Copies, Copy{Name: "tape", Media: "disk", Site: "dc1", Points: at(hour), LastGood: now})
			f.Copies[1].Points = at(2 * hour)
		}, "3-1-0-0-0", []string{"media", "off-site", "immutable"}},
		{"only the copy can be reached", func(f *Facts) { f.Copies[0].Down = "gone" }, "2-1-1-1-1", []string{"copies", "errors"}},
		{"one of two is on the disk of its source", func(f *Facts) { f.Copies[0].SameDisk = true }, "3-2-1-1-0", nil},
		{"both are", func(f *Facts) { f.Copies[0].SameDisk, f.Copies[1].SameDisk = true, true }, "3-2-1-1-0", []string{"disk"}},
		{"the one that is not is down", func(f *Facts) { f.Copies[0].SameDisk, f.Copies[1].Down = true, "no route" }, "2-1-0-0-1", []string{"copies", "errors"}},
		{"same medium", func(f *Facts) { f.Copies[1].Media = "disk" }, "3-1-1-1-0", []string{"media"}},
		{"medium not named", func(f *Facts) { f.Copies[1].Media = "" }, "3-1-1-1-0", []string{"media"}},
		{"same site", func(f *Facts) { f.Copies[1].Site = "dc1" }, "3-2-0-1-0", []string{"off-site"}},
		{"lock ran out", func(f *Facts) { f.Copies[1].Protected = now }, "3-2-1-0-0", []string{"immutable"}},
		{"never read", func(f *Facts) { f.Copies[0].LastGood = time.Time{} }, "3-2-1-1-1", []string{"errors"}},
		{"read long ago", func(f *Facts) { f.Copies[0].LastGood = now.Add(-36 * day) }, "3-2-1-1-1", []string{"errors"}},
		{"found damaged", func(f *Facts) { f.Copies[0].LastBad = f.Copies[0].LastGood.Add(hour) }, "2-1-1-1-1", []string{"copies", "errors"}},
		{"the copy was found damaged", func(f *Facts) { f.Copies[1].LastBad = now }, "2-1-0-0-1", []string{"copies", "errors"}},
		{"a third one was found damaged, which was needed", func(f *Facts) {
			f.Copies = append(f.Copies, Copy{Name: "tape", Media: "disk", Site: "dc1", Points: at(hour), LastGood: now})
			f.Copies[1].LastBad = now
		}, "3-1-0-0-1", []string{"media", "off-site", "immutable", "errors"}},
		{"a restore test failed", func(f *Facts) { f.Copies[0].LastBad, f.Copies[0].TestFailed = now, true }, "3-2-1-1-1", []string{"errors"}},
		{"something is lost", func(f *Facts) { f.Copies[1].Lost = "pack 1" }, "2-1-0-0-1", []string{"copies", "errors"}},
		{"mended", func(f *Facts) { f.Copies[0].LastBad = f.Copies[0].LastGood.Add(-hour) }, "3-2-1-1-0", nil},
		{"down", func(f *Facts) { f.Copies[1].Down = "no route" }, "2-1-0-0-1", []string{"copies", "errors"}},
		{"no snapshot", func(f *Facts) { f.Copies[0].Points, f.Copies[1].Points = nil, nil }, "1-0-0-0-0", []string{"copies"}},
	} {
		f := whole()
		c.change(&f)
		s := Judge(f)
		var rules []string
		for _, m := range s.Missing {
			rules = append(rules, m.Rule)
			if m.What == "" || m.Next == "" {
				t.Errorf("%s: %+v", c.name, m)
			}
		}
		if s.String() != c.score || !slices.Equal(rules, c.missing) {
			t.Errorf("%s: %s %q, want %s %q", c.name, s, rules, c.score, c.missing)
		}
	}
}

// A copy that goes down, loses something, or is found damaged never makes a score
// better.
func TestLossesNeverHelp(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) Copy {
		hours := func(label string) time.Time {
			return now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, label)) * hour)
		}
		return Copy{
			Name: "c", Media: rapid.SampledFrom([]string{"", "disk", "tape"}).Draw(t, "media"), Site: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "site"),
			Points:    map[string]time.Time{"www": hours("point").Truncate(50 * hour)},
			Protected: hours("protected").Add(50 * hour), LastGood: hours("good"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		f := Facts{Plan: "p", Now: now, Copies: rapid.SliceOfN(draw, 1, 5).Draw(t, "copies")}
		before := Judge(f)
		worse := f
		worse.Copies = slices.Clone(f.Copies)
		n := rapid.IntRange(0, len(f.Copies)-1).Draw(t, "n")
		switch c := &worse.Copies[n]; rapid.IntRange(0, 2).Draw(t, "what happens") {
		case 0:
			c.Down = "gone"
		case 1:
			c.Lost = "pack 1"
		case 2:
			c.LastBad = now
		}
		after := Judge(worse)
		if after.Copies > before.Copies || after.Media > before.Media || after.OffSite > before.OffSite ||
			after.Immutable > before.Immutable || after.Errors < before.Errors || before.Met() && len(f.Copies) < 2 {
			t.Fatalf("%s became %s", before, after)
		}
	})
}
