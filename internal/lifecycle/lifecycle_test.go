package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
	"holdfast/storage/mem"
)

const day = 24 * time.Hour

var wishes = lifecycle.Wishes{
	Immutable: storage.DefaultRetention{Mode: storage.Governance, For: 35 * day},
	Cold:      lifecycle.Cold{After: 30 * day, Class: "GLACIER_IR"},
}

func settings(t *testing.T, m storage.Managed) *storage.Settings {
	t.Helper()
	s, err := m.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// foreignRule is one that somebody else made.
func foreignRule(id string, a ...storage.LifecycleAction) storage.LifecycleRule {
	return storage.LifecycleRule{ID: id, Enabled: true, Actions: a}
}

func TestPlanThenExecuteThenNothingToDo(t *testing.T) {
	other := foreignRule("logs", storage.LifecycleAction{Kind: storage.Expire, After: 10 * day})
	other.Prefix = "logs/"
	b := mem.NewBucket(mem.BucketOptions{Settings: storage.Settings{Root: "backups/", Locking: storage.On, Rules: []storage.LifecycleRule{other}}})
	p := lifecycle.PlanFor(settings(t, b), wishes)
	if p.NothingToDo() || len(p.Changes.Rules) != 4 {
		t.Fatalf("plan for a new bucket: %+v", p)
	}
	if _, err := p.Execute(t.Context(), b, wishes); err != nil {
		t.Fatal(err)
	}
	s := settings(t, b)
	if again := lifecycle.PlanFor(s, wishes); !again.NothingToDo() {
		t.Errorf("a second plan would change something: %+v", again.Steps)
	}
	if s.Versioning != storage.On || len(s.Rules) != 5 || s.Rules[0].ID != "logs" {
		t.Errorf("settings after: %+v", s)
	}
	for _, r := range s.Rules[1:] {
		for _, a := range r.Actions {
			if a.Kind == storage.Expire || a.Kind == storage.ExpireNoncurrent && r.Prefix == "backups/" && a.After < 35*day {
				t.Errorf("a rule of ours may delete what is needed: %+v", r)
			}
		}
	}

	// Without tiers, the rule for them goes.
	fewer := wishes
	fewer.Cold = lifecycle.Cold{}
	p = lifecycle.PlanFor(s, fewer)
	if p.NothingToDo() || len(p.Changes.Rules) != 3 {
		t.Errorf("plan without tiers: %+v", p)
	}
}

// deaf is a service that takes changes and keeps none, as some emulators do.
type deaf struct{ *mem.Bucket }

func (deaf) Apply(context.Context, storage.SettingChanges) error { return nil }

func TestSettingsAreReadBack(t *testing.T) {
	b := deaf{mem.NewBucket(mem.BucketOptions{})}
	_, err := lifecycle.PlanFor(settings(t, b), wishes).Execute(t.Context(), b, wishes)
	if err == nil || !strings.Contains(err.Error(), "versioning: the service has off, not on") {
		t.Errorf("a service that ignores changes: %v", err)
	}
}

// A year of backups under the rules that holdfast sets: whatever is current
// stays, whatever its age.
func TestOurRulesNeverDeleteWhatIsCurrent(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := mem.NewBucket(mem.BucketOptions{Now: func() time.Time { return now }})
	if _, err := lifecycle.PlanFor(settings(t, b), wishes).Execute(t.Context(), b, wishes); err != nil {
		t.Fatal(err)
	}
	keys := []string{"config", "keys/1", "index/1", "snapshots/1", "data/00/tree", "data/00/bulk"}
	for _, key := range keys {
		if err := b.Put(t.Context(), key, storage.Bytes([]byte(key)), storage.PutOptions{Bulk: key == "data/00/bulk"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 400 {
		now = now.Add(day)
		for _, key := range keys {
			if _, err := storage.ReadAll(t.Context(), b, key); err != nil {
				t.Fatalf("%s: %v", now.Format(time.DateOnly), err)
			}
		}
	}
	if tier, _ := b.Tier(t.Context(), "data/00/bulk"); tier.Class != "GLACIER_IR" {
		t.Errorf("file content lies in %s", tier.Class)
	}
	if tier, _ := b.Tier(t.Context(), "data/00/tree"); tier.Class != mem.Standard {
		t.Errorf("folders lie in %s", tier.Class)
	}
}

func frozen(class string) bool { return class == "GLACIER" }

func TestCheckOfForeignRules(t *testing.T) {
	below := func(r storage.LifecycleRule, prefix string) storage.LifecycleRule {
		r.Prefix = prefix
		return r
	}
	expire := storage.LifecycleAction{Kind: storage.Expire, After: 365 * day}
	freeze := storage.LifecycleAction{Kind: storage.Transition, After: 30 * day, Class: "GLACIER"}
	for _, test := range []struct {
		name string
		rule storage.LifecycleRule
		want lifecycle.Level
	}{
		{"the classic: delete after a year", foreignRule("old", expire), lifecycle.Danger},
		{"in one folder of the repository", below(foreignRule("old", expire), "repo/data/"), lifecycle.Danger},
		{"in another folder of the bucket", below(foreignRule("old", expire), "logs/"), lifecycle.Good},
		{"of a folder whose name ours begins with", below(foreignRule("old", expire), "re"), lifecycle.Danger},
		{"on a day", foreignRule("end", storage.LifecycleAction{Kind: storage.Expire, At: time.Now()}), lifecycle.Danger},
		{"of locks only", below(foreignRule("locks", storage.LifecycleAction{Kind: storage.Expire, After: 2 * day}), "repo/locks/"), lifecycle.Good},
		{"switched off", storage.LifecycleRule{ID: "off", Actions: []storage.LifecycleAction{expire}}, lifecycle.Good},
		{"all to a class that has to be thawed", foreignRule("freeze", freeze), lifecycle.Danger},
		{"all to a dearer class to read", foreignRule("ia", storage.LifecycleAction{Kind: storage.Transition, After: 30 * day, Class: "STANDARD_IA"}), lifecycle.Warning},
		{"marked objects to a cold class", storage.LifecycleRule{ID: "m", Enabled: true, MarkedOnly: true, Actions: []storage.LifecycleAction{freeze}}, lifecycle.Notice},
		{"ours, edited so that it moves all", storage.LifecycleRule{ID: "cold", Own: true, Enabled: true, Actions: []storage.LifecycleAction{freeze}}, lifecycle.Danger},
		{"versions that go too soon", foreignRule("v", storage.LifecycleAction{Kind: storage.ExpireNoncurrent, After: day}), lifecycle.Warning},
		{"versions that stay long enough", foreignRule("v", storage.LifecycleAction{Kind: storage.ExpireNoncurrent, After: 90 * day}), lifecycle.Good},
		{"uploads", foreignRule("u", storage.LifecycleAction{Kind: storage.AbortUploads, After: 3 * day}), lifecycle.Good},
		{"ours, edited so that versions go too soon", storage.LifecycleRule{
			ID: "deleted", Own: true, Enabled: true, Prefix: "repo/", Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: day}},
		}, lifecycle.Warning},
		{"something harmless and something unknown", storage.LifecycleRule{
			ID: "x", Enabled: true, Unknown: []string{"Shred"}, Actions: []storage.LifecycleAction{{Kind: storage.AbortUploads, After: 3 * day}},
		}, lifecycle.Warning},
		{"something unknown", storage.LifecycleRule{ID: "x", Enabled: true, Raw: "<Rule><Shred/></Rule>"}, lifecycle.Warning},
	} {
		t.Run(test.name, func(t *testing.T) {
			facts := lifecycle.Facts{Frozen: frozen, Wishes: wishes, Settings: storage.Settings{
				Root: "repo/", Versioning: storage.On, Locking: storage.On, Rules: append(ownRules("repo/"), test.rule),
			}}
			findings := lifecycle.Check(facts)
			if got := lifecycle.Worst(findings); got != test.want {
				t.Errorf("%s, want %s: %v", got, test.want, findings)
			}
		})
	}
}

func ownRules(root string) []storage.LifecycleRule {
	rules := lifecycle.Rules(root, wishes)
	for n := range rules {
		rules[n].Own = true
	}
	return rules
}

func TestCheckOfSettings(t *testing.T) {
	sound := storage.Settings{Versioning: storage.On, Locking: storage.On, Rules: ownRules("")}
	for _, test := range []struct {
		name   string
		change func(*lifecycle.Facts)
		want   lifecycle.Level
	}{
		{"all as it should be", func(*lifecycle.Facts) {}, lifecycle.Good},
		{"no versions under locks", func(f *lifecycle.Facts) { f.Settings.Versioning = storage.Suspended }, lifecycle.Danger},
		{"no versions", func(f *lifecycle.Facts) {
			f.Settings.Versioning, f.Wishes.Immutable = storage.Off, storage.DefaultRetention{}
		}, lifecycle.Warning},
		{"locks wanted where none can be", func(f *lifecycle.Facts) { f.Settings.Locking = storage.Off }, lifecycle.Danger},
		{"the rules are not set", func(f *lifecycle.Facts) { f.Settings.Rules = nil }, lifecycle.Notice},
		{"rules that cannot be read", func(f *lifecycle.Facts) {
			f.Settings.Unread = map[storage.Setting]error{storage.SettingLifecycle: errors.New("access denied")}
		}, lifecycle.Warning},
		{"a default retention", func(f *lifecycle.Facts) {
			f.Settings.DefaultRetention = storage.DefaultRetention{Mode: storage.Compliance, For: 10 * day}
		}, lifecycle.Notice},
		{"the clock runs away", func(f *lifecycle.Facts) { f.Probe = &storage.Probe{ClockSkew: -time.Hour} }, lifecycle.Danger},
		{"no conditional create", func(f *lifecycle.Facts) { f.Probe = &storage.Probe{ConditionalCreate: storage.ErrUnsupported} }, lifecycle.Warning},
		{"a good service", func(f *lifecycle.Facts) { f.Probe = &storage.Probe{ClockSkew: time.Second} }, lifecycle.Good},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := lifecycle.Facts{Settings: sound, Wishes: wishes, Frozen: frozen}
			test.change(&f)
			findings := lifecycle.Check(f)
			if got := lifecycle.Worst(findings); got != test.want {
				t.Errorf("%s, want %s: %v", got, test.want, findings)
			}
		})
	}
}
