package retention

import (
	"maps"
	"slices"
	"testing"
	"time"
)

func TestForged(t *testing.T) {
	start := time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	day := func(n float64) time.Time { return start.Add(time.Duration(n * 24 * float64(time.Hour))) }
	// honest is a daily backup that takes an hour.
	honest := func(id string, n float64) Dated { return Dated{ID: id, Time: day(n), Stored: day(n).Add(time.Hour)} }
	for _, test := range []struct {
		name string
		list []Dated
		want []string
	}{
		{"a quiet row", []Dated{honest("a", 0), honest("b", 1), honest("c", 2)}, nil},
		{
			"put between old ones, to take the place of the day",
			[]Dated{honest("a", 0), honest("b", 1), honest("c", 2), {ID: "evil", Time: day(0.5), Stored: day(2.5)}},
			[]string{"evil"},
		},
		{
			"dated ahead, to be the newest for months",
			[]Dated{honest("a", 0), {ID: "evil", Time: day(90), Stored: day(1)}, honest("b", 100)},
			[]string{"evil"},
		},
		{
			"a snapshot dated ahead does not speak against good ones",
			[]Dated{{ID: "evil", Time: day(50), Stored: day(-1)}, honest("a", 0), honest("b", 1)},
			[]string{"evil"},
		},
		{"a first backup that took three days", []Dated{{ID: "a", Time: day(0), Stored: day(3)}, honest("b", 4)}, nil},
		{"two that overlap", []Dated{{ID: "a", Time: day(0), Stored: day(1.2)}, honest("b", 0.9)}, nil},
		{"tags changed later", []Dated{{ID: "a", Time: day(0), Stored: day(9), Edited: true}, honest("b", 5)}, nil},
		{"a store that tells no times", []Dated{{ID: "a", Time: day(0)}, {ID: "b", Time: day(900)}}, nil},
		{
			"a folder that was copied to another disk",
			[]Dated{{ID: "a", Time: day(0), Stored: day(50)}, {ID: "b", Time: day(5), Stored: day(50).Add(-time.Minute)}},
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := slices.Sorted(maps.Keys(Forged(test.list))); !slices.Equal(got, test.want) {
				t.Errorf("forged: %v, want %v", got, test.want)
			}
		})
	}
}
