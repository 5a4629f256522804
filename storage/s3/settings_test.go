package s3_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/test/servers"

	"github.com/minio/minio-go/v7/pkg/lifecycle"
)

const day = 24 * time.Hour

// coldRules are what holdfast sets on a bucket, as far as MinIO knows it.
func coldRules(root string) []storage.LifecycleRule {
	return []storage.LifecycleRule{
		{ID: "cold-data", Enabled: true, Prefix: root + "data/", MarkedOnly: true, Actions: []storage.LifecycleAction{
			{Kind: storage.Transition, After: 30 * day, Class: servers.ColdTier},
		}},
		{ID: "versions", Enabled: true, Prefix: root, Actions: []storage.LifecycleAction{
			{Kind: storage.ExpireNoncurrent, After: 40 * day, Versions: 2},
			{Kind: storage.ExpireMarkers},
		}},
	}
}

func TestRulesAreSetBesideThoseOfOthers(t *testing.T) {
	server := servers.S3(t)
	server.Second(t)
	o := place(t, servers.WithVersioning())
	s := open(t, o)
	foreign := lifecycle.NewConfiguration()
	foreign.Rules = []lifecycle.Rule{{
		ID: "somebody's <logs>", Status: "Enabled",
		RuleFilter: lifecycle.Filter{And: lifecycle.And{
			Prefix: "logs/", Tags: []lifecycle.Tag{{Key: "team", Value: "a&b"}}, ObjectSizeGreaterThan: 1000,
		}},
		Expiration: lifecycle.Expiration{Days: 365},
	}}
	if err := server.Client().SetBucketLifecycle(t.Context(), o.Bucket, foreign); err != nil {
		t.Fatal(err)
	}

	for range 2 { // twice changes nothing
		if err := s.Apply(t.Context(), storage.SettingChanges{SetRules: true, Rules: coldRules("some/prefix/")}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.Settings(t.Context())
	if err != nil || len(found.Unread) != 0 {
		t.Fatalf("Settings: %v, unread %v", err, found.Unread)
	}
	if found.Root != "some/prefix/" || found.Versioning != storage.On || found.Locking != storage.Off {
		t.Errorf("Settings = %+v", found)
	}
	if len(found.Rules) != 3 {
		t.Fatalf("%d rules, want the foreign one and two of ours: %+v", len(found.Rules), found.Rules)
	}
	f := found.Rules[0]
	if f.ID != "somebody's <logs>" || f.Own || !f.Enabled || f.Prefix != "logs/" || f.MarkedOnly ||
		!slices.Equal(f.Conditions, []string{"tag team=a&b", "larger than 1000 bytes"}) ||
		!slices.Equal(f.Actions, []storage.LifecycleAction{{Kind: storage.Expire, After: 365 * day}}) {
		t.Errorf("the foreign rule is read as %+v", f)
	}
	for i, want := range coldRules("some/prefix/") {
		is := found.Rules[i+1]
		if !is.Own || !is.Enabled || !strings.HasSuffix(is.ID, want.ID) || is.Prefix != want.Prefix || is.MarkedOnly != want.MarkedOnly ||
			len(is.Conditions) != 0 || !sameActions(is.Actions, want.Actions) {
			t.Errorf("our rule is read back as\n%+v, want\n%+v", is, want)
		}
	}

	// A store elsewhere in the bucket has rules of its own.
	o.Prefix = "other"
	other := open(t, o)
	if err := other.Apply(t.Context(), storage.SettingChanges{SetRules: true, Rules: coldRules("other/")[:1]}); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), storage.SettingChanges{SetRules: true}); err != nil {
		t.Fatal(err)
	}
	found, err = other.Settings(t.Context())
	if err != nil || len(found.Rules) != 2 || found.Rules[0].Own || !found.Rules[1].Own {
		t.Errorf("with the rules of one store taken away there are %+v, %v", found.Rules, err)
	}
	after, err := server.Client().GetBucketLifecycle(t.Context(), o.Bucket)
	if err != nil || after.Rules[0].RuleFilter.And.ObjectSizeGreaterThan != 1000 {
		t.Errorf("the foreign rule is now %+v, %v", after, err)
	}
}

func sameActions(a, b []storage.LifecycleAction) bool {
	order := func(x, y storage.LifecycleAction) int { return strings.Compare(string(x.Kind), string(y.Kind)) }
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return slices.Equal(a, b)
}

func TestSettingsOfAFreshBucket(t *testing.T) {
	s := open(t, place(t))
	found, err := s.Settings(t.Context())
	if err != nil || found.Versioning != storage.Off || found.Locking != storage.Off || len(found.Rules)+len(found.Unread) != 0 {
		t.Errorf("Settings = %+v, %v", found, err)
	}
	for range 2 {
		if err := s.Apply(t.Context(), storage.SettingChanges{Versioning: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CheckVersions(t.Context()); err != nil {
		t.Error(err)
	}
	err = s.Apply(t.Context(), storage.SettingChanges{SoftDelete: day})
	var setting *storage.SettingError
	if !errors.As(err, &setting) || setting.Setting != storage.SettingSoftDelete || !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("Apply of soft delete = %v", err)
	}
}

func TestSettingsOfALockedBucket(t *testing.T) {
	o := place(t, servers.WithObjectLock())
	found, err := open(t, o).Settings(t.Context())
	if err != nil || found.Versioning != storage.On || found.Locking != storage.On {
		t.Errorf("Settings = %+v, %v", found, err)
	}
}

// TestUploadsAreNotAbortedByRules: MinIO knows no such rule; what the rest of
// the rules say is set all the same, and the error says what is missing.
func TestUploadsAreNotAbortedByRules(t *testing.T) {
	s := open(t, place(t, servers.WithVersioning()))
	rules := append(coldRules("some/prefix/")[1:], storage.LifecycleRule{
		ID: "uploads", Enabled: true, Prefix: "some/prefix/",
		Actions: []storage.LifecycleAction{{Kind: storage.AbortUploads, After: 7 * day}},
	})
	err := s.Apply(t.Context(), storage.SettingChanges{SetRules: true, Rules: rules})
	t.Logf("Apply = %v", err)
	found, ferr := s.Settings(t.Context())
	if ferr != nil {
		t.Fatal(ferr)
	}
	t.Logf("%+v", found.Rules)
	if err == nil && len(found.Rules) == 2 {
		return // a MinIO that has learnt it
	}
	if !errors.Is(err, storage.ErrUnsupported) || len(found.Rules) != 1 {
		t.Errorf("Apply = %v; rules %+v", err, found.Rules)
	}
}

func TestProbe(t *testing.T) {
	s := open(t, place(t))
	p, err := s.Probe(t.Context())
	if err != nil || p.Service != "MinIO" || p.ConditionalCreate != nil || p.ChecksumsVerified != nil || p.ClockSkew != 0 {
		t.Errorf("Probe = %+v, %v", p, err)
	}
	if left := keys(t, s, ""); len(left) != 0 {
		t.Errorf("Probe leaves %q", left)
	}
}
