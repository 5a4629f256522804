package retention

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestApply(t *testing.T) {
	tests := []struct {
		name      string
		policy    Policy
		snapshots string   // "time [tag,tag]", one a line
		want      []string // "time: reasons", newest first; the others are removed
	}{
		{
			name:   "twelve Sundays, four daily",
			policy: Policy{Daily: 4},
			snapshots: `2019-09-01 11:00
				2019-09-08 11:00
				2019-09-15 11:00
				2019-09-22 11:00
				2019-09-29 11:00
				2019-10-06 11:00
				2019-10-13 11:00
				2019-10-20 11:00
				2019-10-27 11:00
				2019-11-03 11:00
				2019-11-10 11:00
				2019-11-17 11:00`,
			want: []string{
				"2019-11-17 11:00: daily snapshot",
				"2019-11-10 11:00: daily snapshot",
				"2019-11-03 11:00: daily snapshot",
				"2019-10-27 11:00: daily snapshot",
			},
		},
		{
			name:   "the newest of each day",
			policy: Policy{Daily: 2},
			snapshots: `2020-05-01 08:00
				2020-05-02 08:00
				2020-05-02 20:00
				2020-05-03 08:00
				2020-05-03 20:00`,
			want: []string{"2020-05-03 20:00: daily snapshot", "2020-05-02 20:00: daily snapshot"},
		},
		{
			name:   "the oldest while the count lasts",
			policy: Policy{Monthly: 5},
			snapshots: `2020-05-01 08:00
				2020-05-02 08:00
				2020-05-03 08:00`,
			want: []string{"2020-05-03 08:00: monthly snapshot", "2020-05-01 08:00: oldest monthly snapshot"},
		},
		{
			name:   "not the oldest once the count is used up",
			policy: Policy{Monthly: 1},
			snapshots: `2020-05-01 08:00
				2020-05-03 08:00`,
			want: []string{"2020-05-03 08:00: monthly snapshot"},
		},
		{
			name:   "weeks are ISO weeks",
			policy: Policy{Weekly: 9},
			snapshots: `2020-12-27 12:00
				2020-12-28 12:00
				2021-01-03 12:00
				2021-01-04 12:00`,
			want: []string{
				"2021-01-04 12:00: weekly snapshot", "2021-01-03 12:00: weekly snapshot", "2020-12-27 12:00: weekly snapshot",
			},
		},
		{
			name:   "within ends at the newest snapshot",
			policy: Policy{Within: Duration{Days: 1, Hours: 2}},
			snapshots: `2020-05-01 07:59
				2020-05-01 10:00
				2020-05-01 10:01
				2020-05-02 12:00`,
			want: []string{"2020-05-02 12:00: within 1d2h", "2020-05-01 10:01: within 1d2h"},
		},
		{
			name:   "within a period, and its oldest",
			policy: Policy{WithinDaily: Duration{Months: 1}, WithinYearly: Duration{Years: 9}},
			snapshots: `2020-05-20 09:00
				2020-05-20 10:00
				2020-06-01 09:00
				2020-06-01 10:00`,
			want: []string{
				"2020-06-01 10:00: daily within 1m, yearly within 9y",
				"2020-05-20 10:00: daily within 1m",
				"2020-05-20 09:00: oldest daily within 1m, oldest yearly within 9y",
			},
		},
		{
			name:   "all tags of one list",
			policy: Policy{Tags: []TagList{{"a", "b"}, {"c"}}},
			snapshots: `2020-05-01 08:00 a
				2020-05-02 08:00 b,a,x
				2020-05-03 08:00 c
				2020-05-04 08:00`,
			want: []string{"2020-05-03 08:00: has tags [c]", "2020-05-02 08:00: has tags [a, b]"},
		},
		{
			name:   "the empty tag means untagged",
			policy: Policy{Tags: []TagList{{""}}},
			snapshots: `2020-05-01 08:00 a
				2020-05-02 08:00`,
			want: []string{"2020-05-02 08:00: has tags []"},
		},
		{
			name:   "unlimited",
			policy: Policy{Yearly: Unlimited},
			snapshots: `2001-05-01 08:00
				2010-05-02 08:00
				2020-05-02 08:00`,
			want: []string{"2020-05-02 08:00: yearly snapshot", "2010-05-02 08:00: yearly snapshot", "2001-05-01 08:00: yearly snapshot"},
		},
		{
			name:   "rules add up",
			policy: Policy{Last: 1, Hourly: 1, Daily: 2},
			snapshots: `2020-05-01 08:00
				2020-05-02 08:00
				2020-05-02 09:00`,
			want: []string{"2020-05-02 09:00: last snapshot, hourly snapshot, daily snapshot", "2020-05-01 08:00: daily snapshot"},
		},
		{
			name:   "a snapshot of the future takes no place",
			policy: Policy{Last: 1, Within: Duration{Hours: 1}},
			snapshots: `2020-05-01 08:00
				2020-05-02 08:00
				2999-01-01 00:00`,
			want: []string{"2999-01-01 00:00: dated in the future", "2020-05-02 08:00: within 1h, last snapshot"},
		},
		{name: "an empty policy", snapshots: "2020-05-01 08:00\n2999-01-01 00:00"},
		{name: "no snapshots", policy: Policy{Last: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			snapshots := parseSnapshots(t, tt.snapshots)
			result := Apply(tt.policy, snapshots, now, nil)
			var got []string
			for _, d := range result.Keep() {
				got = append(got, d.Snapshot.ID+": "+strings.Join(d.Reasons, ", "))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("kept\n%q\nwant\n%q", got, tt.want)
			}
			if len(result.Decisions) != len(snapshots) {
				t.Errorf("%d decisions about %d snapshots", len(result.Decisions), len(snapshots))
			}
		})
	}
}

func TestCountersAfterEachSnapshot(t *testing.T) {
	snapshots := parseSnapshots(t, "2020-05-01 08:00\n2020-05-02 08:00\n2020-05-02 09:00")
	result := Apply(Policy{Last: 2, Daily: 5, Yearly: Unlimited}, snapshots, now, nil)
	want := []Counters{
		{Last: 1, Daily: 4, Yearly: -1},
		{Last: 0, Daily: 4, Yearly: -1},
		{Last: 0, Daily: 3, Yearly: -1},
	}
	for i, d := range result.Decisions {
		if d.Counters != want[i] {
			t.Errorf("after %s: %+v, want %+v", d.Snapshot.ID, d.Counters, want[i])
		}
	}
}

func TestDaysAreThoseOfTheZone(t *testing.T) {
	tokyo := time.FixedZone("", 9*3600)
	evening := time.Date(2020, 5, 1, 20, 0, 0, 0, time.UTC) // the 2nd in Tokyo
	snapshots := []Snapshot{
		{ID: "1 morning", Time: evening.Add(-12 * time.Hour)},
		{ID: "2 evening", Time: evening.In(tokyo)},
		{ID: "3 night", Time: evening.Add(3 * time.Hour)},
	}
	for _, tt := range []struct {
		zone *time.Location
		want string
	}{
		{nil, "[3 night 2 evening 1 morning]"}, // 1st, 2nd, 1st: each begins a day
		{time.UTC, "[3 night 1 morning]"},      // one day: the newest, and the oldest
		{tokyo, "[3 night 1 morning]"},         // 1st, and twice the 2nd
	} {
		var kept []string
		for _, d := range Apply(Policy{Daily: 5}, snapshots, now, tt.zone).Keep() {
			kept = append(kept, d.Snapshot.ID)
		}
		if got := fmt.Sprint(kept); got != tt.want {
			t.Errorf("zone %v: kept %s, want %s", tt.zone, got, tt.want)
		}
	}
}

func TestWithinKeepsTheHourAcrossDaylightSaving(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	newest := time.Date(2024, 3, 31, 12, 0, 0, 0, berlin) // the clock went forward that morning
	snapshots := []Snapshot{
		{ID: "newest", Time: newest},
		{ID: "in", Time: time.Date(2024, 3, 30, 12, 1, 0, 0, berlin)},
		{ID: "out", Time: time.Date(2024, 3, 30, 12, 0, 0, 0, berlin)},
	}
	result := Apply(Policy{Within: Duration{Days: 1}}, snapshots, now, nil)
	if removed := result.Remove(); len(removed) != 1 || removed[0].Snapshot.ID != "out" {
		t.Errorf("removed %v", removed)
	}
}

func TestRemovesAll(t *testing.T) {
	tests := []struct {
		name      string
		policy    Policy
		snapshots string
		want      bool
	}{
		{"no snapshot has the tag", Policy{Tags: []TagList{{"z"}}}, "2020-05-01 08:00", true},
		{"only the future is left", Policy{Tags: []TagList{{"z"}}}, "2020-05-01 08:00\n2999-01-01 00:00", true},
		{"nothing but the future", Policy{Tags: []TagList{{"z"}}}, "2999-01-01 00:00", false},
		{"one is kept", Policy{Last: 1}, "2020-05-01 08:00\n2020-05-02 08:00", false},
		{"an empty policy", Policy{}, "2020-05-01 08:00", true},
		{"no snapshots", Policy{Last: 1}, "", false},
	}
	for _, tt := range tests {
		if got := Apply(tt.policy, parseSnapshots(t, tt.snapshots), now, nil).RemovesAll(); got != tt.want {
			t.Errorf("%s: RemovesAll() = %v", tt.name, got)
		}
	}
}

// parseSnapshots reads lines of "2006-01-02 15:04 [tag,tag]", in UTC. The ID
// is the time.
func parseSnapshots(t *testing.T, lines string) []Snapshot {
	t.Helper()
	var snapshots []Snapshot
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		const layout = "2006-01-02 15:04"
		at, err := time.Parse(layout, line[:len(layout)])
		if err != nil {
			t.Fatal(err)
		}
		sn := Snapshot{ID: line[:len(layout)], Time: at}
		if tags := strings.TrimSpace(line[len(layout):]); tags != "" {
			sn.Tags = ParseTagList(tags)
		}
		snapshots = append(snapshots, sn)
	}
	return snapshots
}
