package upkeep

import (
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/immutable"
	"holdfast/storage/mem"
)

// prunable makes a place with forgotten snapshots: one pack of file content is
// of no use, and one partly.
func prunable(t *testing.T, s storage.Store) (kept files, tree id.ID) {
	t.Helper()
	initRepository(t, s)
	kept = files{"kept": noise(1, 1_000_000)}
	forgotten := []*snapshot.Snapshot{
		backUp(t, s, 0, files{"gone": noise(2, 3_000_000)}),
		backUp(t, s, 1, files{"kept": kept["kept"], "gone": noise(3, 1_000_000)}),
	}
	last := backUp(t, s, 2, kept)
	for _, sn := range forgotten {
		if err := forget(t.Context(), s, sn); err != nil {
			t.Fatal(err)
		}
	}
	return kept, last.Tree
}

func bucketOf(now *time.Time, s storage.Settings) *mem.Bucket {
	return mem.NewBucket(mem.BucketOptions{Now: func() time.Time { return *now }, Settings: s})
}

// planPrune plans without executing.
func planPrune(t *testing.T, s storage.Store, o PruneOptions) (stats PruneStats) {
	t.Helper()
	must(t, s, func(r *repository.Repository) error {
		p, err := PlanPrune(t.Context(), r, o)
		if err == nil {
			stats = p.Stats
		}
		return err
	})
	return stats
}

func TestPruneWhereLockedObjectsCannotBeDeleted(t *testing.T) {
	now := time.Now()
	b := bucketOf(&now, storage.Settings{Locking: storage.On})
	s := immutable.New(b, immutable.Policy{Mode: storage.Compliance, For: 10 * aDay}, func() time.Time { return now })
	initRepository(t, s)
	kept := files{"kept": noise(1, 1_000_000)}
	first := backUp(t, s, 0, files{"kept": kept["kept"], "gone": noise(2, 5_000_000)})
	second := backUp(t, s, 1, kept)

	plan := PlanForgetThese(nil)
	must(t, s, func(r *repository.Repository) error {
		plan = PlanForgetThese([]*snapshot.Snapshot{first})
		return plan.Execute(t.Context(), r)
	})
	if !plan.Locked.Has(first.ID) || plan.RemoveIDs().Has(first.ID) {
		t.Fatalf("a locked snapshot counts as gone: %+v", plan)
	}
	stats, err := prune(t.Context(), s, PruneOptions{})
	if err != nil || stats.PacksRemove+stats.PacksRepack > 0 {
		t.Fatalf("prune with all snapshots: %+v, %v", stats, err)
	}

	// Even with the snapshot out of the way, the packs and the index stay.
	stats = planPrune(t, s, PruneOptions{Without: id.NewSet(first.ID)})
	if stats.PacksRemove+stats.PacksRepack+stats.IndexFiles > 0 || stats.Locked.Count == 0 || !stats.LockedStay {
		t.Fatalf("prune of locked packs: %+v", stats)
	}

	now = now.Add(11 * aDay)
	must(t, s, func(r *repository.Repository) error {
		return PlanForgetThese([]*snapshot.Snapshot{first}).Execute(t.Context(), r)
	})
	stats, err = prune(t.Context(), b, PruneOptions{})
	if err != nil || stats.Freed() < 4_000_000 || stats.Locked.Count > 0 {
		t.Fatalf("prune after the retention: %+v, %v", stats, err)
	}
	wantSound(t, s, map[id.ID]files{second.Tree: kept})
}

func TestPruneOfLockedPacksWithVersionsTells(t *testing.T) {
	now := time.Now()
	b := bucketOf(&now, storage.Settings{Locking: storage.On, Versioning: storage.On})
	s := immutable.New(b, immutable.Policy{Mode: storage.Compliance, For: 10 * aDay}, func() time.Time { return now })
	kept, tree := prunable(t, s)
	stats, err := prune(t.Context(), s, PruneOptions{})
	if err != nil || stats.Freed() == 0 || stats.Locked.Count == 0 || stats.LockedStay || stats.LockedUntil.Before(now) {
		t.Fatalf("%+v, %v", stats, err)
	}
	wantSound(t, s, map[id.ID]files{tree: kept})
}

func TestPruneLeavesColdPacksAlone(t *testing.T) {
	now := firstTime
	b := bucketOf(&now, storage.Settings{Rules: []storage.LifecycleRule{{
		ID: "cold", Enabled: true, Prefix: "data/", MarkedOnly: true,
		Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: 30 * aDay, Class: "GLACIER"}},
	}}})
	kept, tree := prunable(t, b)
	now = now.Add(40 * aDay)
	cold := ColdRules{Judge: func(class string, _ int64, put time.Time) (bool, float64) {
		if class != "GLACIER" {
			return false, 0
		}
		if now.Sub(put) < 90*aDay {
			return true, 1
		}
		return true, 0
	}}

	stats := planPrune(t, b, PruneOptions{Cold: cold})
	if stats.PacksRepack > 0 || stats.PacksRemove != 2 || stats.Cold.Count != 2 || stats.ColdFee == 0 { // packs of folders go
		t.Fatalf("packs in a cold class: %+v", stats)
	}
	if stats = planPrune(t, b, PruneOptions{}); stats.PacksRepack > 0 {
		t.Fatalf("packs that cannot be read would be rewritten: %+v", stats)
	}
	cold.Include = true
	if stats = planPrune(t, b, PruneOptions{Cold: cold}); stats.PacksRemove != 3 || stats.ColdFee == 0 || stats.PacksRepack > 0 {
		t.Fatalf("asked to include cold packs: %+v", stats)
	}
	cold.Include = false
	now = now.Add(60 * aDay)
	stats, err := prune(t.Context(), b, PruneOptions{Cold: cold})
	if err != nil || stats.PacksRemove == 0 || stats.ColdFee > 0 {
		t.Fatalf("useless packs past their time: %+v, %v", stats, err)
	}
	thawAll(t, b)
	now = now.Add(aDay)
	wantSound(t, b, map[id.ID]files{tree: kept})
}

// thawAll makes everything readable.
func thawAll(t *testing.T, b *mem.Bucket) {
	t.Helper()
	err := b.List(t.Context(), "data/", func(i storage.Info) error {
		return b.Thaw(t.Context(), i.Key, storage.ThawOptions{For: 10 * aDay})
	})
	if err != nil {
		t.Fatal(err)
	}
}
