package lifecycle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// An attacker deletes, replaces, and replaces before deleting. What was added
// after the attack stays.
func TestUndelete(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	b := mem.NewBucket(mem.BucketOptions{Now: func() time.Time { return now }, Settings: storage.Settings{Versioning: storage.On}})
	want := map[string]string{"config": "the config"}
	for n := range 20 {
		data := fmt.Sprint("object ", n)
		sum := sha256.Sum256([]byte(data))
		name := hex.EncodeToString(sum[:])
		want["data/"+name[:2]+"/"+name] = data
	}
	for key, data := range want {
		put(t, b, key, data)
	}
	put(t, b, "locks/1", "a lock")
	before := now.Add(time.Hour)
	now = now.Add(2 * time.Hour)
	n := 0
	for key, data := range want {
		switch n++; n % 5 {
		case 0: // untouched
		case 1:
			remove(t, b, key)
		case 2:
			overwrite(t, b, key, "evil")
		case 3:
			overwrite(t, b, key, string(make([]byte, len(data)))) // as long as before
		case 4:
			overwrite(t, b, key, string(make([]byte, len(data))))
			remove(t, b, key)
		}
	}
	remove(t, b, "locks/1")
	now = now.Add(time.Hour)
	put(t, b, "snapshots/after", "made later")

	p, err := lifecycle.PlanUndelete(t.Context(), b, b.AsOf(before), before)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Missing) == 0 || len(p.Replaced) == 0 || p.Objects != len(want) {
		t.Fatalf("%d of %d missing, %d replaced", len(p.Missing), p.Objects, len(p.Replaced))
	}
	var done atomic.Uint64
	if err := p.Execute(t.Context(), &done); err != nil {
		t.Fatal(err)
	}
	want["snapshots/after"] = "made later"
	for key, data := range want {
		if got, err := storage.ReadAll(t.Context(), b, key); err != nil || string(got) != data {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	if _, err := b.Stat(t.Context(), "locks/1"); err == nil {
		t.Error("a lock of the past came back: it would keep everybody out")
	}
	p, err = lifecycle.PlanUndelete(t.Context(), b, b.AsOf(before), before)
	if err != nil || len(p.Missing)+len(p.Replaced) > 0 {
		t.Errorf("a second plan: %d missing, %d replaced, %v", len(p.Missing), len(p.Replaced), err)
	}
}

func put(t *testing.T, s storage.Store, key, data string) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, b *mem.Bucket, key, data string) {
	t.Helper()
	if err := b.Overwrite(key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}
