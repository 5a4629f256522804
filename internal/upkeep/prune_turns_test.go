package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// turns prunes in turns, with real locks of a repository. What happens before
// the n-th exclusive one is up to between, if set.
func turns(r *repository.Repository, between func(ctx context.Context, n int) error) Turns {
	return Turns{
		Locks:   &locks{r: r, between: between},
		Planned: func(context.Context, *PrunePlan) (bool, error) { return true, nil },
		Allowed: func(context.Context) error { return nil },
	}
}

// pruneBeside prunes in turns with what happens between the first two locks.
func pruneBeside(ctx context.Context, s storage.Store, o PruneOptions, between func(context.Context) error) (p *PrunePlan, err error) {
	err = with(ctx, s, func(r *repository.Repository) error {
		p, err = Prune(ctx, r, o, turns(r, func(ctx context.Context, n int) error {
			if n > 1 {
				return nil
			}
			return between(ctx)
		}))
		return err
	})
	return p, err
}

// beside is a store with packs that go, packs that are rewritten and packs that
// stay, and what there was in each.
func beside(t *testing.T) (s *mem.Store, content map[string]files, want map[id.ID]files) {
	s = mem.New()
	initRepository(t, s)
	content = map[string]files{
		"gone": {"gone/a": noise(1, 30_000), "gone/b": noise(2, 30_000)},
		"part": {"part/used": noise(3, 30_000), "part/useless": noise(4, 30_000)},
		"kept": {"kept/a": noise(5, 30_000)},
	}
	forgotten := []*snapshot.Snapshot{backUp(t, s, 0, content["gone"]), backUp(t, s, 1, content["part"])}
	want = make(map[id.ID]files)
	for day, c := range []files{content["kept"], {"part/used": content["part"]["part/used"]}} {
		want[backUp(t, s, 2+day, c).Tree] = c
	}
	if err := forget(t.Context(), s, forgotten...); err != nil {
		t.Fatal(err)
	}
	return s, content, want
}

// Whatever others do between the locks of a prune, what they made comes back,
// and a prune after it has nothing that it must leave.
func TestPruneBesideOthers(t *testing.T) {
	for name, test := range map[string]struct {
		between func(t *testing.T, ctx context.Context, s storage.Store, content map[string]files, want map[id.ID]files) error
		// rescued is how many packs must be kept because of it.
		rescued int
	}{
		"nothing": {func(*testing.T, context.Context, storage.Store, map[string]files, map[id.ID]files) error { return nil }, 0},
		"a backup of what was useless": {func(t *testing.T, _ context.Context, s storage.Store, content map[string]files, want map[id.ID]files) error {
			want[backUp(t, s, 9, content["gone"]).Tree] = content["gone"]
			return nil
		}, 2}, // its file content, and its folders
		"a backup of a part of that": {func(t *testing.T, _ context.Context, s storage.Store, content map[string]files, want map[id.ID]files) error {
			c := files{"elsewhere": content["part"]["part/useless"], "new": noise(9, 1000)}
			want[backUp(t, s, 9, c).Tree] = c
			return nil
		}, 1},
		"a backup of what is kept": {func(t *testing.T, _ context.Context, s storage.Store, content map[string]files, want map[id.ID]files) error {
			c := maps.Clone(content["kept"])
			c["another"] = []byte("another")
			want[backUp(t, s, 9, c).Tree] = c
			return nil
		}, 0},
		"a snapshot is forgotten": {func(t *testing.T, ctx context.Context, s storage.Store, content map[string]files, want map[id.ID]files) error {
			return with(ctx, s, func(r *repository.Repository) error {
				all, err := r.Snapshots(ctx)
				if err != nil {
					return err
				}
				delete(want, all[0].Tree)
				return PlanForgetThese(all[:1]).Execute(ctx, r)
			})
		}, 0},
		"another prune": {func(_ *testing.T, ctx context.Context, s storage.Store, _ map[string]files, _ map[id.ID]files) error {
			_, err := prune(ctx, s, PruneOptions{})
			return err
		}, 0},
		"another prune, and a backup": {func(t *testing.T, ctx context.Context, s storage.Store, content map[string]files, want map[id.ID]files) error {
			_, err := prune(ctx, s, PruneOptions{})
			want[backUp(t, s, 9, content["gone"]).Tree] = content["gone"]
			return err
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, content, want := beside(t)
			p, err := pruneBeside(t.Context(), s, PruneOptions{}, func(ctx context.Context) error {
				return test.between(t, ctx, s, content, want)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := len(p.rescued); got != test.rescued {
				t.Errorf("%d packs were kept for it, want %d", got, test.rescued)
			}
			wantSound(t, s, want)
			if _, err := prune(t.Context(), s, PruneOptions{}); err != nil {
				t.Fatal(err)
			}
			wantSound(t, s, want)
			wantPruned(t, s, PruneOptions{})
		})
	}
}

// A backup that was killed leaves packs in no index file. Somebody may go on
// with them while a prune waits to delete them.
func TestPruneLeavesPacksThatOthersWentOnWith(t *testing.T) {
	s, _, want := beside(t)
	resumed := files{"resumed": noise(20, 50_000)}
	away := fault.New(s, 1, fault.Rule{Op: fault.OpPut, Prefix: "index/", Fault: fault.Before(errors.New("killed"))})
	err := with(t.Context(), away, func(r *repository.Repository) error {
		_, err := backUpTo(t.Context(), r, 8, resumed)
		return err
	})
	if err == nil {
		t.Fatal("the backup was not cut off")
	}
	p, err := pruneBeside(t.Context(), s, PruneOptions{}, func(ctx context.Context) error {
		return with(ctx, s, func(r *repository.Repository) error { // as RecoverUploads does
			if err := r.LoadIndex(ctx); err != nil {
				return err
			}
			listed := make(id.Set)
			for i := range r.Index().Packs() {
				listed.Add(i)
			}
			var packs []repository.PackContent
			err := r.ListFiles(ctx, repository.PackFile, func(i id.ID, sizeBytes int64) error {
				if listed.Has(i) {
					return nil
				}
				blobs, err := r.ReadPackHeader(ctx, i, sizeBytes)
				packs = append(packs, repository.PackContent{ID: i, Blobs: blobs})
				return err
			})
			if err != nil || len(packs) == 0 {
				return fmt.Errorf("%d packs to go on with, %w", len(packs), err)
			}
			if _, err = r.SaveIndex(ctx, packs); err != nil {
				return err
			}
			made, err := backUpTo(ctx, r, 9, resumed)
			if err == nil {
				want[made.Tree] = resumed
			}
			return err
		})
	})
	if err != nil || len(p.unindexed) > 0 {
		t.Fatalf("%v; %d packs went that others went on with", err, len(p.unindexed))
	}
	wantSound(t, s, want)
}

// What may not be deleted any more when the repository is there for it stays.
func TestPruneThatIsNotAllowedDeletesNothing(t *testing.T) {
	s, _, want := beside(t)
	before, _ := count(t, s, repository.PackFile)
	errHeld := errors.New("held")
	err := with(t.Context(), s, func(r *repository.Repository) error {
		o := turns(r, nil)
		o.Allowed = func(context.Context) error { return errHeld }
		_, err := Prune(t.Context(), r, PruneOptions{}, o)
		return err
	})
	if after, _ := count(t, s, repository.PackFile); !errors.Is(err, errHeld) || after < before {
		t.Errorf("%v; %d packs are left of %d", err, after, before)
	}
	wantSound(t, s, want)
}

// Packs are deleted in slices, and others get to the repository in between.
func TestPruneDeletesInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, want := beside(t)
		for n := range 200 {
			s.Overwrite(repository.PackFile.Key(id.Hash(fmt.Append(nil, n))), []byte("orphan"))
		}
		slow := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Prefix: "data/", Fault: fault.Delay(time.Second)})
		made, slices := time.Now(), 0
		err := with(t.Context(), slow, func(r *repository.Repository) error {
			l := &locks{r: r, between: func(ctx context.Context, n int) error {
				slices = n
				c := files{"at": fmt.Append(nil, n)}
				want[backUp(t, s, 10+n, c).Tree] = c
				return nil
			}}
			o := turns(r, nil)
			o.Locks = l
			p, err := Prune(t.Context(), r, PruneOptions{}, o)
			if err == nil && (l.alone > 2*aloneAtMost || l.free < turnPause || l.shared > 1 || p.Cut()) {
				t.Errorf("it had the repository for itself for %v, gave it free for %v, planned %d times, and left something: %v", l.alone, l.free, l.shared, p.Cut())
			}
			return err
		})
		if err != nil || slices < 2 {
			t.Errorf("%d slices in %v, %v", slices, time.Since(made), err)
		}
		wantSound(t, s, want)
	})
}

// A store without room for what takes the place of packs is pruned of what goes
// as a whole.
func TestPruneWithoutRoom(t *testing.T) {
	s, _, want := beside(t)
	before, _ := count(t, s, repository.PackFile)
	full := fault.New(s, 1, fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Full()})
	must(t, full, func(r *repository.Repository) error {
		p, err := Prune(t.Context(), r, PruneOptions{}, turns(r, nil))
		if err == nil && p.Stats.PacksRemove == 0 {
			t.Errorf("nothing went: %+v", p.Stats)
		}
		return err
	})
	if after, _ := count(t, s, repository.PackFile); after >= before {
		t.Errorf("%d packs are left of %d", after, before)
	}
	wantSound(t, s, want)
}

// A prune in turns may be cut off anywhere, with a backup in between whose
// snapshot was acknowledged.
func TestCrashInPruneBesideABackup(t *testing.T) {
	base, content, before := beside(t)
	var told map[id.ID]files
	backup := func(ctx context.Context, s storage.Store) error {
		return with(ctx, s, func(r *repository.Repository) error {
			again := files{"again": content["gone"]["gone/a"], "other": content["part"]["part/useless"]}
			made, err := backUpTo(ctx, r, 9, again)
			if err == nil {
				told[made.Tree] = again
			}
			return err
		})
	}
	fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Modes: []fault.Crash{fault.CrashBefore, fault.CrashAfter},
		Job: func(ctx context.Context, s storage.Store) error {
			told = maps.Clone(before)
			return with(ctx, s, func(r *repository.Repository) error {
				o := turns(r, nil)
				o.Locks = unlocked{between: func(ctx context.Context) error { return backup(ctx, s) }}
				_, err := Prune(ctx, r, PruneOptions{}, o)
				return err
			})
		},
		Check: func(t *testing.T, left storage.Store) {
			wantSound(t, left, told)
			if _, err := prune(t.Context(), left, PruneOptions{}); err != nil {
				t.Fatalf("prune again: %v", err)
			}
			wantSound(t, left, told)
			wantPruned(t, left, PruneOptions{})
		},
	}.Run(t)
}
