package immutable_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/immutable"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

const day = 24 * time.Hour

func lockable(now func() time.Time) *mem.Bucket {
	return mem.NewBucket(mem.BucketOptions{Now: now, Settings: storage.Settings{Versioning: storage.On, Locking: storage.On}})
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store {
		return immutable.New(lockable(nil), immutable.Policy{Mode: storage.Governance, For: day}, nil)
	})
}

func TestEverythingThatStaysIsLocked(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 20, 30, 0, time.UTC)
	clock := func() time.Time { return now }
	b := lockable(clock)
	s := immutable.New(b, immutable.Policy{Mode: storage.Compliance, For: 35 * day}, clock)
	for key, want := range map[string]bool{"config": true, "data/3f/3f9a": true, "holdfast/evidence/1": true, "locks/1": false, "holdfast/receipts/1": false} {
		if err := s.Put(t.Context(), key, storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		r, err := b.Retention(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if locked := !r.IsZero(); locked != want {
			t.Errorf("%s: locked = %v", key, locked)
			continue
		}
		if until := time.Date(2026, 6, 8, 11, 0, 0, 0, time.UTC); want && !r.Until.Equal(until) {
			t.Errorf("%s: locked until %v, want %v", key, r.Until, until)
		}
	}
}

func TestALongerRetentionStays(t *testing.T) {
	b := lockable(nil)
	s := immutable.New(b, immutable.Policy{Mode: storage.Governance, For: day}, nil)
	want := storage.Retention{Mode: storage.Compliance, Until: time.Now().Add(90 * day).UTC().Truncate(time.Second)}
	if err := s.Put(t.Context(), "config", storage.Bytes(nil), storage.PutOptions{Retention: want}); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Retention(t.Context(), "config"); got != want {
		t.Errorf("retention %v, want %v", got, want)
	}
}

func TestAStoreThatCannotLockIsRefused(t *testing.T) {
	s := immutable.New(mem.New(), immutable.Policy{Mode: storage.Governance, For: day}, nil)
	err := s.Put(t.Context(), "config", storage.Bytes(nil), storage.PutOptions{})
	if !errors.Is(err, storage.ErrUnsupported) {
		t.Errorf("Put: %v, want ErrUnsupported", err)
	}
}

func TestPolicy(t *testing.T) {
	for _, test := range []struct {
		policy         immutable.Policy
		valid, confirm bool
	}{
		{immutable.Policy{Mode: storage.Governance, For: 35 * day}, true, false},
		{immutable.Policy{Mode: storage.Governance, For: 400 * day}, true, false},
		{immutable.Policy{Mode: storage.Compliance, For: 90 * day}, true, false},
		{immutable.Policy{Mode: storage.Compliance, For: 91 * day}, true, true},
		{immutable.Policy{Mode: "worm", For: 35 * day}, false, false},
		{immutable.Policy{Mode: storage.Governance, For: time.Hour}, false, false},
		{immutable.Policy{Mode: storage.Compliance, For: 4000 * day}, false, true},
	} {
		if err := test.policy.Validate(); (err == nil) != test.valid {
			t.Errorf("%v: %v", test.policy, err)
		}
		if test.policy.NeedsConfirmation() != test.confirm {
			t.Errorf("%v: confirmation %v", test.policy, !test.confirm)
		}
	}
}
