package s3_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
)

// TestColdObjects runs against the fake service: MinIO has no class whose
// objects have to be thawed.
func TestColdObjects(t *testing.T) {
	f := newFake(t)
	o := f.options()
	o.StorageClass = "DEEP_ARCHIVE"
	s := open(t, o)
	putBulk(t, s, "data/1")
	put(t, s, "index/1", "never cold")
	if got := read(t, s, "index/1"); got != "never cold" {
		t.Errorf("read %q", got)
	}
	if err := s.Thaw(t.Context(), "index/1", storage.ThawOptions{}); err != nil {
		t.Errorf("Thaw of what can be read = %v", err)
	}
	wantTier(t, s, storage.Tier{Class: "DEEP_ARCHIVE", Cold: true})
	if _, err := s.Get(t.Context(), "data/1", 0, -1); !errors.Is(err, storage.ErrCold) || !storage.IsPermanent(err) {
		t.Errorf("Get of a cold object = %v, want ErrCold", err)
	}

	for range 2 { // asking again is no error
		if err := s.Thaw(t.Context(), "data/1", storage.ThawOptions{For: 36 * time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	wantTier(t, s, storage.Tier{Class: "DEEP_ARCHIVE", Cold: true, Thawing: true})
	if _, err := s.Get(t.Context(), "data/1", 0, -1); !errors.Is(err, storage.ErrCold) {
		t.Errorf("Get of a thawing object = %v, want ErrCold", err)
	}

	f.mu.Lock()
	f.now = f.now.Add(thawTakes)
	until := f.now.Add(48 * time.Hour) // 36 hours are two days
	f.mu.Unlock()
	wantTier(t, s, storage.Tier{Class: "DEEP_ARCHIVE", ThawedUntil: until.Truncate(time.Second)})
	if got := read(t, s, "data/1"); got != "content of data/1" {
		t.Errorf("read %q", got)
	}
	if err := s.Thaw(t.Context(), "data/1", storage.ThawOptions{For: time.Hour, Priority: "Standard"}); err != nil {
		t.Errorf("Thaw of a thawed object = %v", err)
	}
	f.mu.Lock()
	until = f.now.Add(24 * time.Hour)
	f.mu.Unlock()
	wantTier(t, s, storage.Tier{Class: "DEEP_ARCHIVE", ThawedUntil: until.Truncate(time.Second)})
	if err := s.Thaw(t.Context(), "data/2", storage.ThawOptions{}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Thaw of nothing = %v", err)
	}
}

// wantTier checks the class of data/1, asked for and listed.
func wantTier(t *testing.T, s storage.Tiering, want storage.Tier) {
	t.Helper()
	got, err := s.Tier(t.Context(), "data/1")
	if err != nil || got.Class != want.Class || got.Cold != want.Cold || got.Thawing != want.Thawing || !got.ThawedUntil.Equal(want.ThawedUntil) {
		t.Errorf("Tier = %+v, %v, want %+v", got, err, want)
	}
	err = s.ListTiers(t.Context(), "data/", func(info storage.Info, listed storage.Tier) error {
		if listed.Class != want.Class || listed.Cold != want.Cold || !listed.ThawedUntil.Equal(want.ThawedUntil) {
			t.Errorf("ListTiers gives %s as %+v, want %+v", info.Key, listed, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
