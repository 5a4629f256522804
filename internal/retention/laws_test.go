package retention

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var anySnapshots = rapid.Custom(func(t *rapid.T) []Snapshot {
	zones := []*time.Location{time.UTC, time.FixedZone("", 9*3600), time.FixedZone("", -5*3600-1800)}
	span := rapid.SampledFrom([]int64{48 * 3600, 60 * 86400, 5 * 365 * 86400}).Draw(t, "span")
	n := rapid.IntRange(1, 40).Draw(t, "snapshots")
	snapshots := make([]Snapshot, n)
	for i := range snapshots {
		age := rapid.Int64Range(-3600, span).Draw(t, "age")
		snapshots[i] = Snapshot{
			ID:   fmt.Sprint(i),
			Time: now.Add(-time.Duration(age) * time.Second).In(rapid.SampledFrom(zones).Draw(t, "zone")),
			Tags: rapid.SampledFrom([][]string{nil, {"a"}, {"a", "b"}}).Draw(t, "tags"),
		}
	}
	return snapshots
})

var anyCount = rapid.OneOf(rapid.Just(Count(0)), rapid.Map(rapid.IntRange(-1, 10), func(n int) Count { return Count(n) }))

var anyDuration = rapid.OneOf(rapid.Just(Duration{}), rapid.Custom(func(t *rapid.T) Duration {
	return Duration{
		Years:  rapid.IntRange(0, 3).Draw(t, "years"),
		Months: rapid.IntRange(0, 13).Draw(t, "months"),
		Days:   rapid.IntRange(0, 40).Draw(t, "days"),
		Hours:  rapid.IntRange(0, 50).Draw(t, "hours"),
	}
}))

var anyPolicy = rapid.Custom(func(t *rapid.T) Policy {
	var p Policy
	for _, count := range p.countFields() {
		*count = anyCount.Draw(t, "count")
	}
	for _, d := range p.durationFields() {
		*d = anyDuration.Draw(t, "duration")
	}
	if rapid.Bool().Draw(t, "tagged") {
		p.Tags = []TagList{{"b"}}
	}
	return p
})

func (p *Policy) countFields() []*Count {
	return []*Count{&p.Last, &p.Hourly, &p.Daily, &p.Weekly, &p.Monthly, &p.Yearly}
}

func (p *Policy) durationFields() []*Duration {
	return []*Duration{&p.Within, &p.WithinHourly, &p.WithinDaily, &p.WithinWeekly, &p.WithinMonthly, &p.WithinYearly}
}

var anyZone = rapid.SampledFrom([]*time.Location{nil, time.UTC, time.FixedZone("", 3600)})

// longer lengthens one rule of the policy.
func longer(t *rapid.T, p Policy) Policy {
	counts, durations := p.countFields(), p.durationFields()
	switch i := rapid.IntRange(0, len(counts)+len(durations)).Draw(t, "rule"); {
	case i < len(counts):
		if more := rapid.IntRange(0, 5).Draw(t, "more"); more == 0 || *counts[i] == Unlimited {
			*counts[i] = Unlimited
		} else {
			*counts[i] += Count(more)
		}
	case i < len(counts)+len(durations):
		d := durations[i-len(counts)]
		parts := []*int{&d.Years, &d.Months, &d.Days, &d.Hours}
		*rapid.SampledFrom(parts).Draw(t, "part") += rapid.IntRange(1, 5).Draw(t, "more")
	default:
		p.Tags = append(slices.Clone(p.Tags), TagList{"a"})
	}
	return p
}

func TestLongerPolicyNeverKeepsFewer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshots, policy, zone := anySnapshots.Draw(t, "snapshots"), anyPolicy.Draw(t, "policy"), anyZone.Draw(t, "zone")
		more := longer(t, policy)
		kept := ids(Apply(more, snapshots, now, zone).Keep())
		for _, id := range ids(Apply(policy, snapshots, now, zone).Keep()) {
			if !slices.Contains(kept, id) {
				t.Fatalf("%v\nkeeps %s, and the longer\n%v\ndoes not", policy, id, more)
			}
		}
	})
}

func TestEverySnapshotIsKeptForAReasonOrRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshots := anySnapshots.Draw(t, "snapshots")
		result := Apply(anyPolicy.Draw(t, "policy"), snapshots, now, anyZone.Draw(t, "zone"))
		all := slices.Sorted(slices.Values(append(ids(result.Keep()), ids(result.Remove())...)))
		var want []string
		for _, sn := range snapshots {
			want = append(want, sn.ID)
		}
		slices.Sort(want)
		if !slices.Equal(all, want) {
			t.Fatalf("decided about %v of %v", all, want)
		}
		for _, d := range result.Decisions {
			if d.Keep != (len(d.Reasons) > 0) {
				t.Fatalf("%s: keep %v for the reasons %q", d.Snapshot.ID, d.Keep, d.Reasons)
			}
		}
	})
}

func TestOrderOfSnapshotsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshots, policy := anySnapshots.Draw(t, "snapshots"), anyPolicy.Draw(t, "policy")
		before := slices.Clone(snapshots)
		want := Apply(policy, snapshots, now, nil)
		if !reflect.DeepEqual(snapshots, before) {
			t.Fatal("Apply changed its input")
		}
		shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		shuffle.Shuffle(len(snapshots), func(i, j int) { snapshots[i], snapshots[j] = snapshots[j], snapshots[i] })
		if got := Apply(policy, snapshots, now, nil); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestTheNewestIsKeptByAnyCountOrDuration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := anyPolicy.Draw(t, "policy")
		policy.Tags = nil
		result := Apply(policy, anySnapshots.Draw(t, "snapshots"), now, anyZone.Draw(t, "zone"))
		if result.RemovesAll() != policy.Empty() {
			t.Fatalf("%v: removes all: %v", policy, result.RemovesAll())
		}
		for _, d := range result.Decisions {
			if d.Keep == policy.Empty() {
				t.Fatalf("%v: keep %v of the newest", policy, d.Keep)
			}
			if !d.Snapshot.Time.After(now) {
				break // that was the newest; before it comes the future
			}
		}
	})
}

// Snapshots dated after now change nothing for the others.
func TestTheFutureTakesNoPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshots, policy := anySnapshots.Draw(t, "snapshots"), anyPolicy.Draw(t, "policy")
		past := slices.DeleteFunc(slices.Clone(snapshots), func(sn Snapshot) bool { return sn.Time.After(now) })
		with := Apply(policy, snapshots, now, nil).Decisions
		without := Apply(policy, past, now, nil).Decisions
		if !reflect.DeepEqual(with[len(with)-len(without):], without) {
			t.Fatal("the future changes decisions about the past")
		}
	})
}

func ids(decisions []Decision) []string {
	var ids []string
	for _, d := range decisions {
		ids = append(ids, d.Snapshot.ID)
	}
	return ids
}
