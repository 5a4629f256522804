package upkeep

import (
	"errors"
	"testing"
	"time"

	"holdfast/internal/retention"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// row is a daily backup of so many days, and when each was stored.
func row(days int) (list []*snapshot.Snapshot, stored map[id.ID]time.Time) {
	stored = make(map[id.ID]time.Time)
	for day := range days {
		s := dated(day, "www")
		list = append(list, s)
		stored[s.ID] = s.Time.Add(time.Hour)
	}
	return list, stored
}

func guarded(t *testing.T, list []*snapshot.Snapshot, p retention.Policy, g Guards) *ForgetPlan {
	t.Helper()
	plan, err := PlanForget(list, ForgetOptions{Policy: p, Guards: g, Now: firstTime.AddDate(1, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// An attacker who can only add puts a later snapshot into each of the last
// days: --keep-daily would then keep these, and drop the good ones.
func TestForgedSnapshotsTakeNobodysPlace(t *testing.T) {
	list, stored := row(10)
	good := id.NewSet()
	for _, s := range list[5:] {
		good.Add(s.ID)
	}
	var evil []*snapshot.Snapshot
	for day := 5; day < 9; day++ {
		s := dated(day, "www", "evil")
		s.Time = s.Time.Add(20 * time.Hour)
		evil = append(evil, s)
		stored[s.ID] = firstTime.AddDate(0, 0, 12)
	}
	all := append(list, evil...)
	policy := retention.Policy{Daily: 5}
	if removed := guarded(t, all, policy, Guards{}).RemoveIDs(); !removed.Has(list[8].ID) {
		t.Fatal("without the guard the attack does not work: the test tests nothing")
	}
	plan := guarded(t, all, policy, Guards{Stored: stored})
	for i := range plan.RemoveIDs() {
		if good.Has(i) {
			t.Errorf("good snapshot %s goes", i.Short())
		}
	}
	told := 0
	for _, d := range plan.Groups[0].Keep() {
		if d.Forged != "" {
			told++
		}
	}
	if told != len(evil) {
		t.Errorf("%d of %d forged snapshots are told of", told, len(evil))
	}
}

func TestTheNewestProvenSnapshotStays(t *testing.T) {
	list, _ := row(20)
	proven := id.NewSet(list[3].ID, list[7].ID)
	g := Guards{Proven: proven}
	removed := guarded(t, list, retention.Policy{Last: 5}, g).RemoveIDs()
	if removed.Has(list[7].ID) || !removed.Has(list[3].ID) {
		t.Error("the newest proven snapshot goes, or an older one stays")
	}
	named := PlanForgetThese([]*snapshot.Snapshot{list[7]})
	if err := named.GuardNamed(list, snapshot.GroupBy{Host: true}, g); !errors.Is(err, ErrProven) {
		t.Errorf("named: %v, want ErrProven", err)
	}
	named = PlanForgetThese([]*snapshot.Snapshot{list[3], list[8]})
	if err := named.GuardNamed(list, snapshot.GroupBy{Host: true}, g); err != nil {
		t.Errorf("others named: %v", err)
	}
	// A change of tags makes a new snapshot of the same.
	edited := *list[7]
	edited.ID, edited.Original = id.Hash([]byte("edited")), &list[7].ID
	if !g.isProven(&edited) {
		t.Error("a change of tags loses the proof")
	}
}

func TestARunThatRemovesTooManyStops(t *testing.T) {
	list, _ := row(40)
	plan := guarded(t, list, retention.Policy{Last: 15}, Guards{})
	if err := plan.Exceeds(50); !errors.Is(err, ErrTooMany) {
		t.Errorf("25 of 40: %v, want ErrTooMany", err)
	}
	if err := plan.Exceeds(100); err != nil {
		t.Errorf("with 100 %%: %v", err)
	}
	few, _ := row(12)
	if err := guarded(t, few, retention.Policy{Last: 2}, Guards{}).Exceeds(50); err != nil {
		t.Errorf("10 of 12: %v", err)
	}
}
