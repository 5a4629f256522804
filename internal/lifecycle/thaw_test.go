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

// refusing is a bucket that does not thaw some objects.
type refusing struct {
	*mem.Bucket
	refuse map[string]error
}

func (r refusing) Thaw(ctx context.Context, key string, o storage.ThawOptions) error {
	if err := r.refuse[key]; err != nil {
		return err
	}
	return r.Bucket.Thaw(ctx, key, o)
}

// coldBucket makes a bucket with objects that have been moved to a cold class.
func coldBucket(t *testing.T, objects int) (*mem.Bucket, []string) {
	t.Helper()
	b := mem.NewBucket(mem.BucketOptions{Settings: storage.Settings{Rules: []storage.LifecycleRule{{
		Enabled: true, Prefix: "data/", Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: day, Class: "GLACIER"}},
	}}}})
	var keys []string
	for n := range objects {
		keys = append(keys, fmt.Sprintf("data/%d", n))
		if err := b.Put(t.Context(), keys[n], storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2 * day)
	return b, keys
}

// An object that the service refuses to thaw, or that is gone by then, keeps no
// other from being thawed; and the next run asks for what was refused.
func TestThawPartlyRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, keys := coldBucket(t, 40)
		s := refusing{b, map[string]error{keys[3]: errors.New("no capacity"), keys[7]: fmt.Errorf("gone: %w", storage.ErrNotFound)}}
		plan, err := lifecycle.PlanThaw(t.Context(), s, keys)
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Uint64
		err = plan.Execute(t.Context(), storage.ThawOptions{For: 7 * day}, &asked)
		if err == nil || asked.Load() != 38 || len(plan.Thawing) != 38 || len(plan.Cold) != 1 || plan.Cold[0].Key != keys[3] {
			t.Errorf("%d asked for, %d thawing, cold %v, %v", asked.Load(), len(plan.Thawing), plan.Cold, err)
		}
		time.Sleep(day)
		delete(s.refuse, keys[3])
		if plan, err = lifecycle.PlanThaw(t.Context(), s, keys); err != nil || len(plan.Cold) != 2 {
			t.Fatalf("the next day: %+v, %v", plan, err)
		}
	})
}

// What was thawed days ago does not go while the rest is thawed and read.
func TestThawedCopiesAreKept(t *testing.T) {
	for _, objects := range []int{4, 80} {
		synctest.Test(t, func(t *testing.T) {
			b, keys := coldBucket(t, objects)
			keep := storage.ThawOptions{For: 4 * day}
			for _, key := range keys[:objects/2] {
				if err := b.Thaw(t.Context(), key, keep); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(3 * day)
			plan, err := lifecycle.PlanThaw(t.Context(), b, keys)
			if err != nil || len(plan.Cold) != objects/2 {
				t.Fatalf("%+v, %v", plan, err)
			}
			var asked atomic.Uint64
			if err := errors.Join(plan.Prolong(t.Context(), keep, time.Now()), plan.Execute(t.Context(), keep, &asked)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * day)
			if plan, err = lifecycle.PlanThaw(t.Context(), b, keys); err != nil || !plan.NothingToDo() {
				t.Errorf("%d of %d objects went cold again: %v", len(plan.Cold), objects, err)
			}
			until := plan.ReadableUntil
			if err := plan.Prolong(t.Context(), storage.ThawOptions{For: time.Hour}, time.Now()); err != nil {
				t.Fatal(err)
			}
			if plan, err = lifecycle.PlanThaw(t.Context(), b, keys); err != nil || !plan.ReadableUntil.Equal(until) {
				t.Errorf("a shorter time took away from a longer one: %v, %v", plan.ReadableUntil, err)
			}
		})
	}
}
