package lifecycle_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
	"holdfast/storage/mem"
)

var archiveWishes = lifecycle.Wishes{Archives: 121 * day}

// Archives go at their age, and nothing before; what is beside them stays.
func TestArchivesExpire(t *testing.T) {
	for _, versioning := range []storage.Toggle{storage.Off, storage.On} {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		b := mem.NewBucket(mem.BucketOptions{Now: func() time.Time { return now }, Settings: storage.Settings{Root: "archives/", Versioning: versioning}})
		p := lifecycle.PlanFor(settings(t, b), archiveWishes)
		if _, err := p.Execute(t.Context(), b, archiveWishes); err != nil {
			t.Fatal(err)
		}
		s := settings(t, b)
		if again := lifecycle.PlanFor(s, archiveWishes); !again.NothingToDo() {
			t.Errorf("a second plan would change something: %+v", again.Steps)
		}
		if s.Versioning != versioning {
			t.Errorf("versioning is %s now", s.Versioning)
		}
		keys := []string{"first/first.tar.zst.age", "first/manifest.json", "first/SHA256SUMS"}
		for _, key := range keys {
			if err := b.Put(t.Context(), key, storage.Bytes([]byte(key)), storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for range 120 {
			now = now.Add(day)
			for _, key := range keys {
				if _, err := storage.ReadAll(t.Context(), b, key); err != nil {
					t.Fatalf("%s: %v", now.Format(time.DateOnly), err)
				}
			}
		}
		now = now.Add(2 * day)
		for _, key := range keys {
			if _, err := b.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s after 122 days: %v", key, err)
			}
		}
	}
}

func TestCheckOfArchives(t *testing.T) {
	expire := func(after time.Duration) []storage.LifecycleRule {
		return []storage.LifecycleRule{foreignRule("x", storage.LifecycleAction{Kind: storage.Expire, After: after})}
	}
	own := lifecycle.PlanFor(&storage.Settings{Root: "archives/"}, archiveWishes).Changes.Rules
	for n := range own {
		own[n].Own = true
	}
	for _, test := range []struct {
		name  string
		rules []storage.LifecycleRule
		want  lifecycle.Level
	}{
		{"as planned", own, lifecycle.Good},
		{"nothing deletes them", nil, lifecycle.Notice},
		{"somebody's rule is too short", append(expire(90*day), own...), lifecycle.Danger},
		{"somebody's rule is longer", append(expire(900*day), own...), lifecycle.Notice},
		{"on a day", append([]storage.LifecycleRule{foreignRule("x", storage.LifecycleAction{Kind: storage.Expire, At: time.Now()})}, own...), lifecycle.Danger},
		{"something unknown", append([]storage.LifecycleRule{{ID: "x", Enabled: true, Raw: "<Rule/>"}}, own...), lifecycle.Warning},
	} {
		facts := lifecycle.Facts{Wishes: archiveWishes, Settings: storage.Settings{Root: "archives/", Rules: test.rules}}
		findings := lifecycle.Check(facts)
		if got := lifecycle.Worst(findings); got != test.want {
			t.Errorf("%s: %s, want %s: %v", test.name, got, test.want, findings)
		}
	}
}

// A repository that has come to a place of archives is in danger, and the rule
// goes when the bucket is set up for it.
func TestRepositoryInAPlaceOfArchives(t *testing.T) {
	b := mem.NewBucket(mem.BucketOptions{})
	if _, err := lifecycle.PlanFor(settings(t, b), archiveWishes).Execute(t.Context(), b, archiveWishes); err != nil {
		t.Fatal(err)
	}
	if got := lifecycle.Worst(lifecycle.Check(lifecycle.Facts{Settings: *settings(t, b)})); got != lifecycle.Danger {
		t.Errorf("the check of a repository there says %s", got)
	}
	wishes := lifecycle.Wishes{}
	if _, err := lifecycle.PlanFor(settings(t, b), wishes).Execute(t.Context(), b, wishes); err != nil {
		t.Fatal(err)
	}
	if got := lifecycle.Worst(lifecycle.Check(lifecycle.Facts{Settings: *settings(t, b)})); got != lifecycle.Good {
		t.Errorf("the check after apply says %s", got)
	}
}
