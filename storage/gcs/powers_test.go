package gcs_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/gcs"
	"holdfast/storage/storagetest"
)

const day = 24 * time.Hour

func fakeStore(t *testing.T) (*fakeService, *gcs.Store) {
	t.Helper()
	f, o := newFake(t)
	s, err := gcs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return f, s
}

// The fake is no easier than the real server.
func TestContractOfTheFake(t *testing.T) {
	for name, tuning := range map[string]gcs.Tuning{
		"whole":    {},
		"in parts": {SingleBytes: 1000, PartBytes: 256 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Store {
				f, o := newFake(t)
				f.change(func() { f.now = time.Now() })
				s, err := gcs.OpenTuned(t.Context(), o, tuning)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func store(t *testing.T, s storage.Store, key, data string, o storage.PutOptions) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), o); err != nil {
		t.Fatal(err)
	}
}

func wantBytes(t *testing.T, s storage.Store, key, data string) {
	t.Helper()
	got, err := storage.ReadAll(t.Context(), s, key)
	if err != nil || string(got) != data {
		t.Errorf("%s holds %q, %v, want %q", key, got, err, data)
	}
}

func wantRetention(t *testing.T, s storage.Locker, key string, want storage.Retention) {
	t.Helper()
	got, err := s.Retention(t.Context(), key)
	if err != nil || got.Mode != want.Mode || !got.Until.Equal(want.Until) {
		t.Errorf("Retention(%s) = %v, %v, want %v", key, got, err, want)
	}
}

func TestRetention(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	week := storage.Retention{Mode: storage.Governance, Until: noon.Add(7 * day)}

	for name, err := range map[string]error{
		"CheckLocking": s.CheckLocking(ctx),
		"Put":          s.Put(ctx, "data/a", storage.Bytes(nil), storage.PutOptions{Retention: week}),
	} {
		if !errors.Is(err, storage.ErrUnsupported) || !strings.Contains(err.Error(), "object retention") {
			t.Errorf("%s in a bucket without object retention = %v, want ErrUnsupported and why", name, err)
		}
	}
	f.change(func() { f.bucket["objectRetention"] = map[string]any{"mode": "Enabled"} })
	if err := s.CheckLocking(ctx); err != nil {
		t.Fatal(err)
	}
	store(t, s, "data/a", "content", storage.PutOptions{Retention: week})
	wantRetention(t, s, "data/a", week)
	if err := s.Delete(ctx, "data/a"); !errors.Is(err, storage.ErrImmutable) {
		t.Errorf("Delete of an immutable object = %v, want ErrImmutable", err)
	}
	store(t, s, "locks/a", "", storage.PutOptions{})
	wantRetention(t, s, "locks/a", storage.Retention{})
	if err := s.Delete(ctx, "locks/a"); err != nil {
		t.Error(err)
	}

	f.change(func() {
		f.objects["root/data/a"][0].about["retentionExpirationTime"] = noon.Add(30 * day).Format(time.RFC3339)
	})
	wantRetention(t, s, "data/a", storage.Retention{Mode: storage.Governance, Until: noon.Add(30 * day)})

	f.pass(8 * day)
	if err := s.Delete(ctx, "data/a"); err != nil {
		t.Errorf("Delete after the retention = %v", err)
	}
}

// A service that takes retentions and forgets them must not pass for one that
// keeps them.
func TestRetentionThatIsForgotten(t *testing.T) {
	f, o := newFake(t)
	f.change(func() { f.forgets = true })
	for name, tuning := range map[string]gcs.Tuning{"whole": {}, "in parts": {SingleBytes: 1, PartBytes: 1 << 20}} {
		s, err := gcs.OpenTuned(t.Context(), o, tuning)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Put(t.Context(), "data/a", storage.Bytes([]byte("content")), storage.PutOptions{
			Retention: storage.Retention{Mode: storage.Compliance, Until: time.Now().Add(time.Hour)},
		})
		if !errors.Is(err, storage.ErrUnsupported) {
			t.Errorf("%s: Put = %v, want ErrUnsupported", name, err)
		}
		if _, err := s.Stat(t.Context(), "data/a"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: Stat of what nothing protects = %v, want ErrNotFound", name, err)
		}
	}
}

func TestExtendNeverLoosens(t *testing.T) {
	f, s := fakeStore(t)
	store(t, s, "data/a", "content", storage.PutOptions{})
	in := func(days int) time.Time { return noon.AddDate(0, 0, days) }
	if err := s.Extend(t.Context(), "data/a", storage.Retention{Mode: storage.Governance, Until: in(5)}); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("Extend in a bucket without object retention = %v, want ErrUnsupported", err)
	}
	f.change(func() { f.bucket["objectRetention"] = map[string]any{"mode": "Enabled"} })
	for _, step := range []struct{ extend, want storage.Retention }{
		{storage.Retention{Mode: storage.Governance, Until: in(5)}, storage.Retention{Mode: storage.Governance, Until: in(5)}},
		{storage.Retention{Mode: storage.Governance, Until: in(3)}, storage.Retention{Mode: storage.Governance, Until: in(5)}},
		{storage.Retention{Mode: storage.Governance, Until: in(6)}, storage.Retention{Mode: storage.Governance, Until: in(6)}},
		{storage.Retention{Mode: storage.Compliance, Until: in(3)}, storage.Retention{Mode: storage.Compliance, Until: in(6)}},
		{storage.Retention{Mode: storage.Governance, Until: in(9)}, storage.Retention{Mode: storage.Compliance, Until: in(9)}},
		{storage.Retention{Mode: storage.Compliance, Until: in(9)}, storage.Retention{Mode: storage.Compliance, Until: in(9)}},
	} {
		if err := s.Extend(t.Context(), "data/a", step.extend); err != nil {
			t.Fatalf("Extend(%v): %v", step.extend, err)
		}
		wantRetention(t, s, "data/a", step.want)
	}
	if err := s.Extend(t.Context(), "nothing", storage.Retention{Mode: storage.Governance, Until: in(1)}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Extend of nothing = %v, want ErrNotFound", err)
	}
}

func TestHold(t *testing.T) {
	f, s := fakeStore(t)
	store(t, s, "data/a", "content", storage.PutOptions{})
	f.change(func() { f.objects["root/data/a"][0].about["temporaryHold"] = true })
	if err := s.Delete(t.Context(), "data/a"); !errors.Is(err, storage.ErrImmutable) {
		t.Errorf("Delete under a hold = %v, want ErrImmutable", err)
	}
}

func keysOf(t *testing.T, s storage.Store) []string {
	t.Helper()
	keys := []string{}
	if err := s.List(t.Context(), "", func(i storage.Info) error { keys = append(keys, i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// TestAsOf has somebody with all credentials but those for versions delete
// and overwrite everything.
func TestAsOf(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	if err := s.CheckVersions(ctx); !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("CheckVersions = %v, want ErrUnsupported", err)
	}
	if err := s.Apply(ctx, storage.SettingChanges{Versioning: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckVersions(ctx); err != nil {
		t.Fatal(err)
	}
	objects := []string{"config", "data/a", "data/b", "data/bb", "index/c"}
	for _, key := range append(objects, "index/pruned") {
		store(t, s, key, "good "+key, storage.PutOptions{})
	}
	f.pass(time.Hour)
	if err := s.Delete(ctx, "index/pruned"); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour)
	before := noon.Add(2 * time.Hour)
	f.pass(time.Hour)

	for _, key := range objects {
		if err := s.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	f.pass(time.Hour)
	store(t, s, "data/b", "evil", storage.PutOptions{})
	store(t, s, "data/new", "evil", storage.PutOptions{})

	past := s.AsOf(before)
	if got := keysOf(t, past); !slices.Equal(got, objects) {
		t.Errorf("as of before there are %q, want %q", got, objects)
	}
	for range 2 { // the second time from what it remembers
		for _, key := range objects {
			wantBytes(t, past, key, "good "+key)
		}
	}
	for _, key := range []string{"data/new", "index/pruned", "data"} {
		if _, err := past.Stat(ctx, key); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat of %s = %v, want ErrNotFound", key, err)
		}
	}
	if err := past.Put(ctx, "x", storage.Bytes(nil), storage.PutOptions{}); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Put into the past = %v, want ErrReadOnly", err)
	}
	if err := past.Delete(ctx, "config"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Delete from the past = %v, want ErrReadOnly", err)
	}
	for range 2 { // the second time it is there
		if err := s.Undelete(ctx, "data/a"); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, s, "data/a", "good data/a")
	}
	if err := s.Undelete(ctx, "data/never"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Undelete of nothing = %v, want ErrNotFound", err)
	}
}

func TestUndeleteOfSoftDeleted(t *testing.T) {
	_, s := fakeStore(t)
	if err := s.Apply(t.Context(), storage.SettingChanges{SoftDelete: 14 * day}); err != nil {
		t.Fatal(err)
	}
	store(t, s, "data/a", "content", storage.PutOptions{})
	if err := s.Delete(t.Context(), "data/a"); err != nil {
		t.Fatal(err)
	}
	if got := keysOf(t, s); len(got) != 0 {
		t.Errorf("softly deleted objects are listed: %q", got)
	}
	if err := s.Undelete(t.Context(), "data/a"); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, s, "data/a", "content")
}

// ownRules are rules as holdfast plans them.
func ownRules() []storage.LifecycleRule {
	return []storage.LifecycleRule{
		{ID: "cold-data", Enabled: true, Prefix: "root/data/", MarkedOnly: true, Actions: []storage.LifecycleAction{
			{Kind: storage.Transition, After: 30 * day, Class: "coldline"},
		}},
		{ID: "old-versions", Enabled: true, Prefix: "root/", Actions: []storage.LifecycleAction{
			{Kind: storage.ExpireNoncurrent, After: 90 * day}, {Kind: storage.ExpireMarkers}, {Kind: storage.AbortUploads, After: 7 * day},
		}},
	}
}

// foreignRules are rules of other people, one of a kind this program has
// never heard of.
const foreignRules = `[
	{"action": {"type": "Delete"}, "condition": {"age": 365}},
	{"action": {"type": "Delete", "newField": {"x": 1}}, "condition": {"age": 10, "matchesPrefix": ["other/", "logs/"], "matchesSuffix": [".tmp"]}},
	{"action": {"type": "Shred"}, "condition": {"moonPhase": "full"}}
]`

// What is in doubt counts as what does harm: with no newer version asked for, live
// objects are meant, too.
func TestRulesInDoubt(t *testing.T) {
	f, s := fakeStore(t)
	f.change(func() {
		f.bucket["lifecycle"] = map[string]any{"rule": []any{
			map[string]any{"action": map[string]any{"type": "Delete"}, "condition": map[string]any{"age": 30, "numNewerVersions": 0}},
			map[string]any{"action": map[string]any{"type": "Delete"}, "condition": map[string]any{"numNewerVersions": 3}},
			map[string]any{"action": map[string]any{"type": "Shred"}, "condition": map[string]any{}},
		}}
	})
	found, err := s.Settings(t.Context())
	if err != nil || len(found.Rules) != 3 {
		t.Fatal(found, err)
	}
	if r := found.Rules[0]; len(r.Actions) != 1 || r.Actions[0] != (storage.LifecycleAction{Kind: storage.Expire, After: 30 * day}) {
		t.Errorf("a rule that deletes live objects is read as %+v", r)
	}
	if r := found.Rules[1]; len(r.Actions) != 1 || r.Actions[0] != (storage.LifecycleAction{Kind: storage.ExpireNoncurrent, Versions: 3}) {
		t.Errorf("a rule for versions is read as %+v", r)
	}
	if r := found.Rules[2]; len(r.Actions) != 0 || !slices.Equal(r.Unknown, []string{"Shred"}) {
		t.Errorf("a rule of a new kind is read as %+v", r)
	}
}

func TestRulesOfOthersStay(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	var foreign []any
	if err := json.Unmarshal([]byte(foreignRules), &foreign); err != nil {
		t.Fatal(err)
	}
	f.change(func() { f.bucket["lifecycle"] = map[string]any{"rule": slices.Clone(foreign)} })

	for range 2 { // the second time nothing changes
		if err := s.Apply(ctx, storage.SettingChanges{SetRules: true, Rules: ownRules()}); err != nil {
			t.Fatal(err)
		}
	}
	if f.meta != 2 {
		t.Errorf("the bucket was changed %d times, want once", f.meta-1)
	}
	wantForeign(t, f, foreign)

	settings, err := s.Settings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var own, others []storage.LifecycleRule
	for _, r := range settings.Rules {
		if r.Own {
			own = append(own, r)
		} else {
			others = append(others, r)
		}
	}
	wantOwn := []storage.LifecycleAction{
		{Kind: storage.Transition, After: 30 * day, Class: "COLDLINE"},
		{Kind: storage.ExpireNoncurrent, After: 90 * day},
		{Kind: storage.AbortUploads, After: 7 * day},
	}
	if len(own) != len(wantOwn) {
		t.Fatalf("%d own rules, want %d: %+v", len(own), len(wantOwn), own)
	}
	for i, r := range own {
		if len(r.Actions) != 1 || r.Actions[0] != wantOwn[i] || len(r.Conditions) != 0 || !r.Enabled || !strings.HasPrefix(r.Prefix, "root/") || r.MarkedOnly != (i == 0) {
			t.Errorf("own rule %d is %+v", i, r)
		}
	}
	if len(others) != 4 { // one for each prefix
		t.Fatalf("%d rules of others, want 4: %+v", len(others), others)
	}
	if r := others[0]; r.Prefix != "" || r.Actions[0] != (storage.LifecycleAction{Kind: storage.Expire, After: 365 * day}) {
		t.Errorf("the rule that deletes everything after a year is read as %+v", r)
	}
	if r := others[2]; r.Prefix != "logs/" || !slices.Equal(r.Conditions, []string{`matchesSuffix [".tmp"]`}) {
		t.Errorf("a rule with a suffix is read as %+v", r)
	}
	if r := others[3]; len(r.Actions) != 0 || len(r.Conditions) != 1 || !strings.Contains(r.Raw, "Shred") {
		t.Errorf("a rule of a new kind is read as %+v", r)
	}

	if err := s.Apply(ctx, storage.SettingChanges{SetRules: true}); err != nil {
		t.Fatal(err)
	}
	wantForeign(t, f, foreign)
	if settings, err = s.Settings(ctx); err != nil || len(settings.Rules) != 4 {
		t.Errorf("after the own rules were taken away there are %d rules, %v", len(settings.Rules), err)
	}
}

// wantForeign checks that the first rules of the bucket are those, to the letter.
func wantForeign(t *testing.T, f *fakeService, want []any) {
	t.Helper()
	rules := f.bucket["lifecycle"].(map[string]any)["rule"].([]any)
	a, _ := json.Marshal(rules[:len(want)])
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("rules of others became %s, want %s", a, b)
	}
}

// Two stores in one bucket know each other's rules from their own.
func TestRulesOfAnotherRoot(t *testing.T) {
	_, o := newFake(t)
	a := tunedFake(t, o)
	o.Prefix = "elsewhere"
	b := tunedFake(t, o)
	rule := func(root string) storage.SettingChanges {
		return storage.SettingChanges{SetRules: true, Rules: []storage.LifecycleRule{{
			ID: "x", Enabled: true, Prefix: root + "/", Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: day}},
		}}}
	}
	for range 2 {
		if err := errors.Join(a.Apply(t.Context(), rule("root")), b.Apply(t.Context(), rule("elsewhere"))); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := b.Settings(t.Context())
	if err != nil || len(settings.Rules) != 2 || settings.Rules[0].Own || !settings.Rules[1].Own || settings.Root != "elsewhere/" {
		t.Errorf("Settings = %+v, %v", settings, err)
	}
}

func tunedFake(t *testing.T, o gcs.Options) *gcs.Store {
	t.Helper()
	s, err := gcs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSettingsAreReadAndNeverShortened(t *testing.T) {
	f, s := fakeStore(t)
	ctx := t.Context()
	f.change(func() {
		f.bucket["retentionPolicy"] = map[string]any{"retentionPeriod": "604800", "isLocked": true}
		f.bucket["softDeletePolicy"] = map[string]any{"retentionDurationSeconds": "604800"}
		f.bucket["defaultEventBasedHold"] = true
	})
	if err := s.Apply(ctx, storage.SettingChanges{SoftDelete: 3 * day}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Settings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.SoftDelete != 7*day || got.Versioning != storage.Off || got.Locking != storage.Off ||
		got.DefaultRetention != (storage.DefaultRetention{Mode: storage.Compliance, For: 7 * day}) || got.Unread[storage.SettingLocking] == nil {
		t.Errorf("Settings = %+v", got)
	}
	if err := s.Apply(ctx, storage.SettingChanges{SoftDelete: 30 * day}); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Settings(ctx); err != nil || got.SoftDelete != 30*day {
		t.Errorf("SoftDelete = %v, %v, want 30 days", got.SoftDelete, err)
	}
}

// Somebody adds a rule between our look and our change: it must survive.
func TestApplyBesideSomebodyElse(t *testing.T) {
	f, s := fakeStore(t)
	foreign := map[string]any{"action": map[string]any{"type": "Delete"}, "condition": map[string]any{"age": 5.0}}
	f.change(func() {
		f.meddle = func() { f.bucket["lifecycle"] = map[string]any{"rule": []any{foreign}} }
	})
	if err := s.Apply(t.Context(), storage.SettingChanges{SetRules: true, Rules: ownRules()}); err != nil {
		t.Fatal(err)
	}
	wantForeign(t, f, []any{foreign})
	if n := len(f.bucket["lifecycle"].(map[string]any)["rule"].([]any)); n != 4 {
		t.Errorf("%d rules, want the one of somebody else and our three", n)
	}
}

func TestApplySaysWhatFailed(t *testing.T) {
	_, s := fakeStore(t)
	err := s.Apply(t.Context(), storage.SettingChanges{Versioning: true, SetRules: true, Rules: []storage.LifecycleRule{{
		ID: "x", Enabled: true, Prefix: "root/", Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: day, Class: "GLACIER"}},
	}}})
	failed, ok := errors.AsType[*storage.SettingError](err)
	if !ok || failed.Setting != storage.SettingLifecycle || !strings.Contains(err.Error(), "COLDLINE") {
		t.Errorf("Apply with a class of another service = %v", err)
	}
	if err := s.CheckVersions(t.Context()); err != nil {
		t.Errorf("the change that could be made was not: %v", err)
	}
}
