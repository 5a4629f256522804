package s3_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/test/servers"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"
)

func putBulk(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte("content of "+key)), storage.PutOptions{Bulk: true}); err != nil {
		t.Fatal(err)
	}
}

func wantBulk(t *testing.T, s storage.Tiering, key string, want bool) {
	t.Helper()
	tier, err := s.Tier(t.Context(), key)
	if err != nil || tier.Bulk != want || tier.Class != "STANDARD" || tier.Cold {
		t.Errorf("Tier(%s) = %+v, %v, want a bulk mark: %v", key, tier, err, want)
	}
}

func TestBulkObjectsAreMarked(t *testing.T) {
	o := place(t)
	plain := open(t, o)
	o.MarkBulk = true
	marking := open(t, o)
	marking.SetParts(6<<20, 5<<20)
	putBulk(t, plain, "data/unmarked")
	putBulk(t, marking, "data/marked")
	put(t, marking, "index/1", "x")
	if err := marking.Put(t.Context(), "data/parts", storage.Bytes(make([]byte, 7<<20)), storage.PutOptions{Bulk: true}); err != nil {
		t.Fatal(err)
	}
	wantBulk(t, plain, "data/marked", true)
	wantBulk(t, plain, "data/parts", true)
	wantBulk(t, plain, "data/unmarked", false)
	wantBulk(t, plain, "index/1", false)

	// Marking keeps the tags of others.
	client := servers.S3(t).Client()
	theirs, _ := tags.NewTags(map[string]string{"team": "a"}, true)
	if err := client.PutObjectTagging(t.Context(), o.Bucket, "some/prefix/data/unmarked", theirs, minio.PutObjectTaggingOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := plain.MarkBulk(t.Context(), "data/unmarked"); err != nil {
			t.Fatal(err)
		}
	}
	wantBulk(t, plain, "data/unmarked", true)
	all, err := client.GetObjectTagging(t.Context(), o.Bucket, "some/prefix/data/unmarked", minio.GetObjectTaggingOptions{})
	if err != nil || all.ToMap()["team"] != "a" {
		t.Errorf("the tags are now %v, %v", all, err)
	}
	if err := plain.MarkBulk(t.Context(), "data/nothing"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("MarkBulk of nothing = %v", err)
	}
	if _, err := plain.Tier(t.Context(), "data/nothing"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Tier of nothing = %v", err)
	}
}

// TestRulesMoveMarkedObjects has a real service move what is marked, and only
// that, to another one; it is read through the first.
func TestRulesMoveMarkedObjects(t *testing.T) {
	servers.S3(t).Second(t)
	o := place(t)
	o.MarkBulk = true
	s := open(t, o)
	at := []storage.LifecycleAction{{Kind: storage.Transition, Class: servers.ColdTier}}
	rule := storage.LifecycleRule{ID: "cold-data", Enabled: true, Prefix: "some/prefix/data/", MarkedOnly: true, Actions: at}
	if err := s.Apply(t.Context(), storage.SettingChanges{SetRules: true, Rules: []storage.LifecycleRule{rule}}); err != nil {
		t.Fatal(err)
	}
	putBulk(t, s, "data/cold")
	put(t, s, "data/tree", "not marked")
	deadline := time.Now().Add(time.Minute)
	for class(t, s, "data/cold") != servers.ColdTier {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute the object lies in %q", class(t, s, "data/cold"))
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got := read(t, s, "data/cold"); got != "content of data/cold" {
		t.Errorf("read %q", got)
	}
	classes := map[string]string{}
	err := s.ListTiers(t.Context(), "data/", func(info storage.Info, tier storage.Tier) error {
		classes[info.Key] = tier.Class
		if tier.Cold {
			t.Errorf("%s is said to be cold; it can be read", info.Key)
		}
		return nil
	})
	if err != nil || classes["data/cold"] != servers.ColdTier || classes["data/tree"] != "STANDARD" {
		t.Errorf("ListTiers = %v, %v", classes, err)
	}
}

func class(t *testing.T, s storage.Tiering, key string) string {
	t.Helper()
	tier, err := s.Tier(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tier.Class
}

func TestStorageClass(t *testing.T) {
	o := place(t)
	o.StorageClass = "REDUCED_REDUNDANCY" // one that MinIO knows
	s := open(t, o)
	put(t, s, "index/1", "x")
	if got := class(t, s, "index/1"); got != "REDUCED_REDUNDANCY" {
		t.Errorf("it lies in %s", got)
	}
	// As a cold one it is for bulk objects alone.
	o.ColdClasses = []string{"REDUCED_REDUNDANCY"}
	s = open(t, o)
	put(t, s, "index/2", "x")
	putBulk(t, s, "data/2")
	if got := class(t, s, "index/2"); got != "STANDARD" {
		t.Errorf("an index lies in %s", got)
	}
	if tier, err := s.Tier(t.Context(), "data/2"); err != nil || !tier.Cold {
		t.Errorf("Tier of a pack = %+v, %v", tier, err)
	}
}
