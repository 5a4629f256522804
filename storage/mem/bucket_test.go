package mem_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

const day = 24 * time.Hour

// clock is a clock that tests move.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time { return c.now }

func TestBucketContract(t *testing.T) {
	for name, settings := range map[string]storage.Settings{
		"plain":     {},
		"versioned": {Versioning: storage.On, Locking: storage.On},
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(*testing.T) storage.Store {
				return mem.NewBucket(mem.BucketOptions{Settings: settings})
			})
		})
	}
}

func put(t *testing.T, b *mem.Bucket, key, data string, o storage.PutOptions) {
	t.Helper()
	if err := b.Put(t.Context(), key, storage.Bytes([]byte(data)), o); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s storage.Store, key string) string {
	t.Helper()
	data, err := storage.ReadAll(t.Context(), s, key)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return string(data)
}

func TestRetentionHoldsUntilItsEnd(t *testing.T) {
	c := newClock()
	b := mem.NewBucket(mem.BucketOptions{Now: c.Now, Settings: storage.Settings{Locking: storage.On}})
	put(t, b, "data/aa", "x", storage.PutOptions{Retention: storage.Retention{Mode: storage.Governance, Until: c.now.Add(10 * day)}})
	if err := b.Delete(t.Context(), "data/aa"); !errors.Is(err, storage.ErrImmutable) {
		t.Fatalf("Delete of a locked object: %v, want ErrImmutable", err)
	}
	if err := b.Extend(t.Context(), "data/aa", storage.Retention{Mode: storage.Governance, Until: c.now.Add(5 * day)}); err != nil {
		t.Fatal(err)
	}
	if r, _ := b.Retention(t.Context(), "data/aa"); !r.Until.Equal(c.now.Add(10 * day)) {
		t.Fatalf("Extend made the retention shorter: %v", r.Until)
	}
	c.now = c.now.Add(11 * day)
	if err := b.Delete(t.Context(), "data/aa"); err != nil {
		t.Fatalf("Delete after the retention: %v", err)
	}
}

func TestVersionsComeBack(t *testing.T) {
	c := newClock()
	b := mem.NewBucket(mem.BucketOptions{Now: c.Now, Settings: storage.Settings{Versioning: storage.On, Locking: storage.On}})
	put(t, b, "config", "good", storage.PutOptions{Retention: storage.Retention{Mode: storage.Compliance, Until: c.now.Add(30 * day)}})
	before := c.now.Add(time.Hour)
	c.now = c.now.Add(2 * time.Hour)
	if err := b.Overwrite("config", []byte("evil")); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	if err := b.Delete(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, b.AsOf(before), "config"); got != "good" {
		t.Errorf("as of before the attack: %q", got)
	}
	if err := b.EraseVersions("config"); !errors.Is(err, storage.ErrImmutable) {
		t.Errorf("EraseVersions: %v, want ErrImmutable", err)
	}
	if got := read(t, b, "config"); got != "good" {
		t.Errorf("after the attacker erased what could be erased: %q", got)
	}
}

func TestUndelete(t *testing.T) {
	b := mem.NewBucket(mem.BucketOptions{Settings: storage.Settings{Versioning: storage.On}})
	put(t, b, "keys/a", "k", storage.PutOptions{})
	if err := b.Delete(t.Context(), "keys/a"); err != nil {
		t.Fatal(err)
	}
	if err := b.Undelete(t.Context(), "keys/a"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, b, "keys/a"); got != "k" {
		t.Errorf("after Undelete: %q", got)
	}
	if err := b.Undelete(t.Context(), "keys/none"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Undelete of what never was: %v", err)
	}
}

func TestRulesAreCarriedOut(t *testing.T) {
	c := newClock()
	b := mem.NewBucket(mem.BucketOptions{Now: c.Now, Settings: storage.Settings{Versioning: storage.On}})
	err := b.Apply(t.Context(), storage.SettingChanges{SetRules: true, Rules: []storage.LifecycleRule{
		{ID: "cold-data", Enabled: true, Prefix: "data/", MarkedOnly: true, Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: 30 * day, Class: "GLACIER"}}},
		{ID: "noncurrent", Enabled: true, Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: 7 * day}, {Kind: storage.ExpireMarkers}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, "data/bulk", "content", storage.PutOptions{Bulk: true})
	put(t, b, "data/tree", "folders", storage.PutOptions{})
	put(t, b, "index/old", "index", storage.PutOptions{})
	if err := b.Delete(t.Context(), "index/old"); err != nil {
		t.Fatal(err)
	}

	c.now = c.now.Add(31 * day)
	if err := b.Undelete(t.Context(), "index/old"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a version past its day is still there: %v", err)
	}
	if got := read(t, b, "data/tree"); got != "folders" {
		t.Errorf("unmarked object: %q", got)
	}
	if _, err := b.Get(t.Context(), "data/bulk", 0, -1); !errors.Is(err, storage.ErrCold) {
		t.Fatalf("reading from a cold class: %v, want ErrCold", err)
	}
	if err := b.Thaw(t.Context(), "data/bulk", storage.ThawOptions{For: 2 * day}); err != nil {
		t.Fatal(err)
	}
	if tier, _ := b.Tier(t.Context(), "data/bulk"); !tier.Thawing || !tier.Cold {
		t.Errorf("while thawing: %+v", tier)
	}
	c.now = c.now.Add(5 * time.Hour)
	if got := read(t, b, "data/bulk"); got != "content" {
		t.Errorf("thawed: %q", got)
	}
	c.now = c.now.Add(3 * day)
	if _, err := b.Get(t.Context(), "data/bulk", 0, -1); !errors.Is(err, storage.ErrCold) {
		t.Errorf("after the thawed copy went: %v, want ErrCold", err)
	}
}
