package upkeep

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// Within a budget those packs are rewritten of which the most is of no use, and
// it is told that more could be.
func TestPruneSpendsItsBudgetWhereItFreesMost(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	kept, want := make(files), make(map[id.ID]files)
	var forgotten []*snapshot.Snapshot
	for n, useless := range []int{1, 9} {
		content := make(files)
		for k := range 10 {
			name := fmt.Sprint(n, "-", k)
			content[name] = noise(uint64(10*n+k), 100_000)
			if k >= useless {
				kept[name] = content[name]
			}
		}
		forgotten = append(forgotten, backUp(t, s, n, content))
	}
	want[backUp(t, s, 5, kept).Tree] = kept
	if err := forget(t.Context(), s, forgotten...); err != nil {
		t.Fatal(err)
	}
	budget := size.Bytes(1_100_000)
	stats, err := prune(t.Context(), s, PruneOptions{MaxRepack: &budget})
	if err != nil || stats.PacksRepack != 1 || stats.RepackRemoved.Bytes < 900_000 || !stats.Limited {
		t.Errorf("%+v, %v", stats, err)
	}
	wantSound(t, s, want)
}

// What rewriting leaves must not be so many small packs that the next prune
// rewrites them all.
func TestPruneLeavesNoWorkForTheNext(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	want := make(map[id.ID]files)
	for day := range 4 {
		c := files{fmt.Sprint(day): noise(uint64(day), 500)}
		want[backUp(t, s, day, c).Tree] = c
	}
	part := files{"used": noise(10, 500), "useless": noise(11, 500)}
	forgotten := backUp(t, s, 5, part)
	c := files{"used": part["used"]}
	want[backUp(t, s, 6, c).Tree] = c
	if err := forget(t.Context(), s, forgotten); err != nil {
		t.Fatal(err)
	}
	if _, err := prune(t.Context(), s, PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s, want)
	wantPruned(t, s, PruneOptions{})
}

// A pack of no use may be damaged: it goes all the same.
func TestPruneRemovesWhatIsTornAndUseless(t *testing.T) {
	s, content, want := beside(t)
	pack := repository.PackFile.Key(packsOf(t, s, content["gone"]["gone/a"])[0])
	data, err := storage.ReadAll(t.Context(), s, pack)
	if err != nil {
		t.Fatal(err)
	}
	s.Overwrite(pack, data[:len(data)/2])
	if _, err := prune(t.Context(), s, PruneOptions{}); err != nil {
		t.Error(err)
	}
	wantSound(t, s, want)
	wantPruned(t, s, PruneOptions{})
}

// Small packs in a cold class stay, although many small ones are rewritten
// elsewhere.
func TestPruneMergesNoColdPacks(t *testing.T) {
	now := firstTime
	b := bucketOf(&now, storage.Settings{Rules: []storage.LifecycleRule{{
		ID: "cold", Enabled: true, Prefix: "data/", MarkedOnly: true,
		Actions: []storage.LifecycleAction{{Kind: storage.Transition, After: 30 * aDay, Class: "GLACIER"}},
	}}})
	initRepository(t, b)
	for day := range 12 {
		backUp(t, b, day, files{fmt.Sprint(day): noise(uint64(day), 500)})
	}
	now = now.Add(40 * aDay)
	if stats := planPrune(t, b, PruneOptions{}); stats.PacksRepack != 12 { // those of folders
		t.Errorf("%+v", stats)
	}
}

// Where no versions are kept, a locked index file keeps all that it lists, and a
// locked pack stays that nothing lists.
func TestPruneWhereSomeFilesAreLocked(t *testing.T) {
	now := time.Now()
	for name, k := range map[string]repository.FileKind{"index": repository.IndexFile, "packs that nothing lists": repository.PackFile} {
		t.Run(name, func(t *testing.T) {
			b := bucketOf(&now, storage.Settings{Locking: storage.On})
			kept, tree := prunable(t, b)
			orphan := repository.PackFile.Key(id.Hash([]byte("orphan")))
			if err := b.Put(t.Context(), orphan, storage.Bytes([]byte("orphan")), storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			locked := []string{orphan}
			if k == repository.IndexFile {
				locked = nil
				for i := range indexFiles(t, b) {
					locked = append(locked, k.Key(i))
				}
			}
			locker, _ := storage.As[storage.Locker](b)
			for _, key := range locked {
				if err := locker.Extend(t.Context(), key, storage.Retention{Mode: storage.Compliance, Until: now.Add(10 * aDay)}); err != nil {
					t.Fatal(err)
				}
			}
			stats, err := prune(t.Context(), b, PruneOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if all := stats.PacksRemove+stats.PacksRepack == 0; all != (k == repository.IndexFile) {
				t.Errorf("%+v", stats)
			}
			if k == repository.PackFile && (stats.Unindexed.Count > 0 || !stats.LockedStay) {
				t.Errorf("a locked pack counts as one that goes: %+v", stats)
			}
			wantSound(t, b, map[id.ID]files{tree: kept})
		})
	}
}

// Without room a slice of deletions may be all there is time for: nothing is
// written before the rest went, too.
func TestPruneWithoutRoomInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, want := beside(t)
		for n := range 300 {
			s.Overwrite(repository.PackFile.Key(id.Hash(fmt.Append(nil, n))), []byte("orphan"))
		}
		f := fault.New(s, 1,
			fault.Rule{Op: fault.OpDelete, Prefix: "data/", Fault: fault.Delay(time.Second)},
			fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Full()})
		before := indexFiles(t, s)
		must(t, f, func(r *repository.Repository) error {
			o := turns(r, nil)
			plans := 0
			o.Planned = func(context.Context, *PrunePlan) (bool, error) {
				plans++
				return true, nil
			}
			p, err := Prune(t.Context(), r, PruneOptions{}, o)
			if err == nil && (!p.Cut() || plans != 2) {
				t.Errorf("%d plans, and nothing is left to do: %v", plans, !p.Cut())
			}
			return err
		})
		if after := indexFiles(t, s); len(after) != len(before) {
			t.Errorf("%d index files became %d", len(before), len(after))
		}
		wantSound(t, s, want)
	})
}
