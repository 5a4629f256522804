package lifecycle_test

import (
	"testing"
	"time"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
	"holdfast/storage/immutable"
	"holdfast/storage/mem"
)

func TestSampleSeesWhatLapses(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	b := mem.NewBucket(mem.BucketOptions{Now: clock, Settings: storage.Settings{Versioning: storage.On, Locking: storage.On}})
	s := immutable.New(b, immutable.Policy{Mode: storage.Governance, For: 35 * day}, clock)
	for _, key := range []string{"config", "keys/1", "snapshots/1", "index/1", "data/00/1", "locks/1"} {
		put(t, s, key, "x")
	}
	for _, test := range []struct {
		after  time.Duration
		sample lifecycle.Sample
		want   lifecycle.Level
	}{
		{day, lifecycle.Sample{Looked: 4}, lifecycle.Good},
		{33 * day, lifecycle.Sample{Looked: 4, Ending: 4}, lifecycle.Warning},
		{36 * day, lifecycle.Sample{Looked: 4, Bare: 4}, lifecycle.Warning},
	} {
		now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(test.after)
		got, err := lifecycle.TakeSample(t.Context(), s, 35*day, now)
		if err != nil || got != test.sample {
			t.Errorf("after %v: %+v, %v; want %+v", test.after, got, err, test.sample)
		}
		facts := lifecycle.Facts{Sample: &got, Wishes: wishes, Settings: storage.Settings{Versioning: storage.On, Locking: storage.On, Rules: ownRules("")}}
		if worst := lifecycle.Worst(lifecycle.Check(facts)); worst != test.want {
			t.Errorf("after %v: %s, want %s", test.after, worst, test.want)
		}
	}
}
