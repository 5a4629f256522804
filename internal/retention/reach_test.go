package retention

import (
	"testing"
	"time"
)

func TestReach(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy Policy
		want   int // 0: there is none
	}{
		{"nothing", Policy{}, 0},
		{"within", Policy{Within: Duration{Days: 30}}, 30},
		{"the longest of all", Policy{Within: Duration{Days: 30}, Weekly: 8, Monthly: 12}, 12 * 31},
		{"years", Policy{Yearly: 7}, 7 * 366},
		{"hours", Policy{Hourly: 25}, 2},
		{"one each within", Policy{WithinMonthly: Duration{Years: 1, Months: 1, Hours: 1}}, 366 + 31 + 1},
		{"a number of snapshots", Policy{Last: 3, Daily: 7}, 0},
		{"all of a kind", Policy{Yearly: Unlimited, Daily: 7}, 0},
		{"tags", Policy{Daily: 7, Tags: []TagList{{"keep"}}}, 0},
	} {
		got, err := test.policy.Reach()
		if got != test.want || (err == nil) != (test.want > 0) {
			t.Errorf("%s: Reach = %d, %v, want %d", test.name, got, err, test.want)
		}
	}
}

// What is older than the reach, the policy keeps none of.
func TestNothingIsKeptBeyondTheReach(t *testing.T) {
	policy := Policy{Daily: 7, Weekly: 5, Monthly: 13, WithinWeekly: Duration{Months: 2}}
	days, err := policy.Reach()
	if err != nil {
		t.Fatal(err)
	}
	newest := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for start := range 40 { // wherever in the calendar the newest lies
		now := newest.AddDate(0, 0, start*11)
		var snapshots []Snapshot
		for age := range 3 * days {
			snapshots = append(snapshots, Snapshot{ID: now.AddDate(0, 0, -age).Format(time.RFC3339), Time: now.AddDate(0, 0, -age)})
		}
		for _, d := range Apply(policy, snapshots, now, time.UTC).Keep() {
			if age := now.Sub(d.Snapshot.Time); age > time.Duration(days)*24*time.Hour {
				t.Errorf("%v is kept at %v, %d days", d.Snapshot.Time, now, int(age.Hours()/24))
			}
		}
	}
}
