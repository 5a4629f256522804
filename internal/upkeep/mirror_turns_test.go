package upkeep

import (
	"bytes"
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

// mirrorBeside makes a mirror exact, with what happens before the n-th exclusive
// lock.
func mirrorBeside(ctx context.Context, from, to storage.Store, allowed func(context.Context) error, between func(ctx context.Context, n int) error) (receipt *MirrorReceipt, alone time.Duration, err error) {
	err = with(ctx, from, func(src *repository.Repository) error {
		if err := loadIndex(ctx, src); err != nil {
			return err
		}
		m, err := BeginMirror(ctx, src, to, repository.Options{})
		if err != nil {
			return err
		}
		l := &locks{r: m, between: between}
		t := mirroring(l)
		t.Allowed = allowed
		receipt, err = Mirror(ctx, src, m, MirrorOptions{Delete: true}, t)
		alone = l.alone
		return errors.Join(err, m.Close())
	})
	return receipt, alone, err
}

// Whatever others do in a mirror before what is surplus goes, it is whole
// afterwards, and has what the repository has.
func TestMirrorBesideOthers(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, ctx context.Context, to storage.Store, content files) error{
		"nothing": func(*testing.T, context.Context, storage.Store, files) error { return nil },
		"a backup of what is surplus": func(t *testing.T, _ context.Context, to storage.Store, content files) error {
			backUp(t, to, 9, content)
			return nil
		},
		"a prune": func(_ *testing.T, ctx context.Context, to storage.Store, _ files) error {
			_, err := prune(ctx, to, PruneOptions{})
			return err
		},
		"a prune of everything": func(_ *testing.T, ctx context.Context, to storage.Store, _ files) error {
			err := with(ctx, to, func(r *repository.Repository) error {
				all, err := r.Snapshots(ctx)
				if err != nil {
					return err
				}
				return PlanForgetThese(all).Execute(ctx, r)
			})
			if err == nil {
				_, err = prune(ctx, to, PruneOptions{})
			}
			return err
		},
		"the first half of a prune": func(_ *testing.T, ctx context.Context, to storage.Store, _ files) error {
			return with(ctx, to, func(r *repository.Repository) error {
				p, err := PlanPrune(ctx, r, PruneOptions{})
				if err != nil {
					return err
				}
				return p.Prepare(ctx)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, gone, _, forgetFirst := twoBackups(t)
				to := mem.New()
				if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
					t.Fatal(err)
				}
				// The mirror is pruned by itself: so what it has is packed otherwise.
				var first *snapshot.Snapshot
				must(t, to, func(r *repository.Repository) error {
					all, err := r.Snapshots(t.Context())
					first = all[0]
					return err
				})
				if err := forget(t.Context(), to, first); err != nil {
					t.Fatal(err)
				}
				if stats, err := prune(t.Context(), to, PruneOptions{}); err != nil || stats.PacksRepack == 0 {
					t.Fatalf("%+v, %v", stats, err)
				}
				forgetFirst()
				receipt, _, err := mirrorBeside(t.Context(), from, to, nothing, func(ctx context.Context, n int) error {
					if n > 1 {
						return nil
					}
					return between(t, ctx, to, gone)
				})
				if err != nil || receipt.Surplus > 0 {
					t.Fatalf("%+v, %v", receipt, err)
				}
				wantSame(t, from, to)
			})
		})
	}
}

// What may not be deleted any more when the mirror is there for it stays.
func TestMirrorThatIsNotAllowedDeletesNothing(t *testing.T) {
	from, _, _, forgetFirst := twoBackups(t)
	to := mem.New()
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	forgetFirst()
	before := objects(t, to)
	errHeld := errors.New("held")
	receipt, _, err := mirrorBeside(t.Context(), from, to, func(context.Context) error { return errHeld }, nil)
	if !errors.Is(err, errHeld) || receipt.Surplus == 0 || receipt.Deleted > 0 || !maps.EqualFunc(before, objects(t, to), bytes.Equal) {
		t.Errorf("%+v, %v", receipt, err)
	}
}

// What is surplus goes in slices, and others get to the mirror in between.
func TestMirrorDeletesInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, made := crashStore(t)
		to := mem.New()
		if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
			t.Fatal(err)
		}
		for n := range 400 {
			to.Overwrite(repository.PackFile.Key(id.Hash(fmt.Append(nil, n))), []byte("orphan"))
		}
		slow := fault.New(to, 1, fault.Rule{Op: fault.OpDelete, Prefix: "data/", Fault: fault.Delay(time.Second)})
		slices := 0
		receipt, alone, err := mirrorBeside(t.Context(), from, slow, nothing, func(_ context.Context, n int) error {
			slices = n
			wantSound(t, to, made)
			return nil
		})
		if err != nil || receipt.Deleted != 400 || slices < 3 || alone > 2*aloneAtMost {
			t.Errorf("%+v, %d slices, alone for %v, %v", receipt, slices, alone, err)
		}
		wantSame(t, from, to)
	})
}

// A deletion may be cut off anywhere: no snapshot of the mirror ever lacks
// something.
func TestMirrorThatDeletesIsWholeAtEveryInstant(t *testing.T) {
	from, gone, kept, forgetFirst := twoBackups(t)
	base := mem.New()
	if _, err := mirrorInto(t.Context(), from, base, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	trees := map[id.ID]files{treeOf(t, from, 0): gone, treeOf(t, from, 1): kept}
	forgetFirst()
	if _, err := prune(t.Context(), from, PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		to := fault.New(base.Clone(), 0)
		to.CrashAt(n, fault.CrashAfter)
		_, err := mirrorInto(t.Context(), from, to, MirrorOptions{Delete: true})
		wantWhole(t, to.Unwrap(), trees)
		if err == nil {
			wantSame(t, from, to.Unwrap())
			return
		}
	}
}

// Where something of the repository is damaged the mirror may have the only
// sound copy, and where nothing was asked for nothing goes.
func TestMirrorDeletesOnlyWhatItShould(t *testing.T) {
	from, _, kept, forgetFirst := twoBackups(t)
	to := mem.New()
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	forgetFirst()
	before := objects(t, to)
	must(t, from, func(src *repository.Repository) error {
		if err := src.LoadIndex(t.Context()); err != nil {
			return err
		}
		m, err := BeginMirror(t.Context(), src, to, repository.Options{})
		if err != nil {
			return err
		}
		look := mirroring(unlocked{})
		look.Planned = func(p *MirrorPlan) bool {
			if p.Surplus() == 0 {
				t.Error("nothing is surplus")
			}
			return false
		}
		_, err = Mirror(t.Context(), src, m, MirrorOptions{Delete: true}, look)
		return errors.Join(err, m.Close())
	})
	if receipt, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil || receipt.Surplus == 0 {
		t.Errorf("%+v, %v", receipt, err)
	}
	damaged := repository.PackFile.Key(packsOf(t, from, kept["new"])[0])
	data, err := storage.ReadAll(t.Context(), from, damaged)
	if err != nil {
		t.Fatal(err)
	}
	from.Overwrite(damaged, data[1:])
	if receipt, err := mirrorInto(t.Context(), from, to, MirrorOptions{Delete: true}); err != nil || receipt.Problems == 0 || receipt.Surplus == 0 {
		t.Errorf("%+v, %v", receipt, err)
	}
	if !maps.EqualFunc(before, objects(t, to), bytes.Equal) {
		t.Error("something changed in the mirror")
	}
}
