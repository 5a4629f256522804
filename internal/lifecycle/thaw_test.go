package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// A restore that needs packs of a cold class: they are asked for in one go,
// waited for, and when the time is up the next run finds them thawing.
func TestThaw(t *testing.T) {
	for _, objects := range []int{3, 200} {
		t.Run(fmt.Sprint(objects), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testThaw(t, objects) })
		})
	}
}

func testThaw(t *testing.T, objects int) {
	b := mem.NewBucket(mem.BucketOptions{Settings: storage.Settings{Rules: []storage.LifecycleRule{{
		Enabled: true, Prefix: "data/", MarkedOnly: true,
		Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: day, Class: "GLACIER"}},
	}}}})
	var keys []string
	for n := range objects {
		key := fmt.Sprintf("data/%02x/%d", n, n)
		keys = append(keys, key)
		if err := b.Put(t.Context(), key, storage.Bytes(make([]byte, 10)), storage.PutOptions{Bulk: n%2 == 0}); err != nil {
			t.Fatal(err)
		}
	}
	cold := (objects + 1) / 2
	time.Sleep(2 * day)

	plan := func() *lifecycle.ThawPlan {
		p, err := lifecycle.PlanThaw(t.Context(), b, keys)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan()
	if want := (lifecycle.Amount{Objects: cold, Bytes: int64(10 * cold)}); len(p.Cold) != cold || p.Total() != want || p.Classes["GLACIER"] != want {
		t.Fatalf("plan %+v, want %d cold objects", p, cold)
	}
	var asked atomic.Uint64
	if err := p.Execute(t.Context(), storage.ThawOptions{For: 3 * day}, &asked); err != nil || asked.Load() != uint64(cold) {
		t.Fatalf("asked for %d objects, %v", asked.Load(), err)
	}
	var left atomic.Int64
	if err := p.Wait(t.Context(), time.Hour, &left); !errors.Is(err, context.DeadlineExceeded) || left.Load() != int64(cold) {
		t.Fatalf("an hour of four: %v, %d left", err, left.Load())
	}

	// The next day's run.
	if p = plan(); len(p.Cold) != 0 || len(p.Thawing) != cold {
		t.Fatalf("the second plan asks again: %+v", p)
	}
	if err := p.Wait(t.Context(), 12*time.Hour, &left); err != nil || left.Load() != 0 {
		t.Fatalf("Wait: %v, %d left", err, left.Load())
	}
	if p = plan(); !p.NothingToDo() || p.ReadableUntil.IsZero() {
		t.Fatalf("thawed: %+v", p)
	}
	for _, key := range keys {
		if _, err := storage.ReadAll(t.Context(), b, key); err != nil {
			t.Error(err)
		}
	}
}

func TestThawWhereThereAreNoClasses(t *testing.T) {
	if p, err := lifecycle.PlanThaw(t.Context(), mem.New(), []string{"data/1"}); err != nil || !p.NothingToDo() {
		t.Errorf("%+v, %v", p, err)
	}
}
