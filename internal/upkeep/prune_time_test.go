package upkeep

import (
	"fmt"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
)

// A prune that has no time gets somewhere all the same, leaves the repository
// sound whenever it ends, and is done when it is run again and again.
func TestPruneInSlicesOfTime(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	var gone []*snapshot.Snapshot
	kept := make(files)
	for n := range 6 {
		useful := fmt.Sprintf("useful%d", n)
		kept[useful] = noise(uint64(n), 20_000)
		gone = append(gone, backUp(t, s, n, files{useful: kept[useful], "useless": noise(uint64(100+n), 20_000)}))
	}
	last := backUp(t, s, 6, kept)
	if err := forget(t.Context(), s, gone...); err != nil {
		t.Fatal(err)
	}
	slices, done := 0, false
	for !done {
		must(t, s, func(r *repository.Repository) error {
			p, err := PlanPrune(t.Context(), r, PruneOptions{MaxTime: time.Nanosecond})
			if err != nil {
				return err
			}
			before := p.Stats.PacksRepack
			if err := p.Execute(t.Context()); err != nil {
				return err
			}
			if p.Cut() && p.Stats.PacksRepack >= before {
				t.Errorf("slice %d rewrote %d packs of %d, and was cut", slices, p.Stats.PacksRepack, before)
			}
			done = !p.Cut()
			return nil
		})
		wantSound(t, s, map[id.ID]files{last.Tree: kept})
		if slices++; slices > 20 {
			t.Fatal("pruning does not end")
		}
	}
	if slices < 3 {
		t.Errorf("all was done in %d slices: there was nothing to cut", slices)
	}
	wantPruned(t, s, PruneOptions{})
}
