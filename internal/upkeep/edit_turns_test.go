package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// tags returns the tags of the snapshots in a store, by the day of each.
func tags(t *testing.T, s storage.Store) map[string]int {
	t.Helper()
	found := make(map[string]int)
	must(t, s, func(r *repository.Repository) error {
		all, err := r.Snapshots(t.Context())
		for _, s := range all {
			found[fmt.Sprintf("%d%v", s.Time.Sub(firstTime)/(24*time.Hour), s.Tags)]++
		}
		return err
	})
	return found
}

// What others do while snapshots wait to be replaced is heeded: what they
// forgot does not come back, and nothing goes for which nothing came.
func TestTagBesideOthers(t *testing.T) {
	errHeld := errors.New("held")
	type others struct {
		s       storage.Store
		made    []*snapshot.Snapshot
		allowed error
	}
	for name, test := range map[string]struct {
		between func(t *testing.T, o *others) error
		want    []string
		err     error
	}{
		"nothing": {func(*testing.T, *others) error { return nil }, []string{"0[x]", "1[x]", "2[x]"}, nil},
		"a backup": {func(t *testing.T, o *others) error {
			backUp(t, o.s, 6, files{"f": nil})
			return nil
		}, []string{"0[x]", "1[x]", "2[x]", "6[]"}, nil},
		"one is forgotten": {func(t *testing.T, o *others) error {
			return forget(t.Context(), o.s, o.made[1])
		}, []string{"0[x]", "2[x]"}, nil},
		"what an earlier run put in its place is forgotten": {func(t *testing.T, o *others) error {
			return with(t.Context(), o.s, func(r *repository.Repository) error {
				all, err := r.Snapshots(t.Context())
				if err != nil {
					return err
				}
				return PlanForgetThese(slices.DeleteFunc(all, func(s *snapshot.Snapshot) bool { return len(s.Tags) == 0 })).Execute(t.Context(), r)
			})
		}, []string{"0[x]", "1[x]", "2[x]"}, nil},
		"a prune": {func(t *testing.T, o *others) error {
			_, err := prune(t.Context(), o.s, PruneOptions{})
			return err
		}, []string{"0[x]", "1[x]", "2[x]"}, nil},
		"one is held": {func(_ *testing.T, o *others) error {
			o.allowed = errHeld
			return nil
		}, []string{"0[]", "0[x]", "1[]", "2[]"}, errHeld},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &others{s: mem.New()}
				initRepository(t, o.s)
				for day := range 3 {
					o.made = append(o.made, backUp(t, o.s, day, files{"f": fmt.Append(nil, day)}))
				}
				must(t, o.s, func(r *repository.Repository) error { // a run that was killed left this
					edited, _, err := o.made[0].WithUserTags(snapshot.TagEdit{Add: []string{"x"}})
					if err != nil {
						return err
					}
					return r.SaveSnapshot(t.Context(), edited)
				})
				err := with(t.Context(), o.s, func(r *repository.Repository) error {
					turns := editing(r, &locks{r: r, between: func(_ context.Context, n int) error {
						if n > 1 {
							return nil
						}
						return test.between(t, o)
					}})
					turns.Allowed = func(context.Context, []*snapshot.Snapshot) error { return o.allowed }
					_, err := Tag(t.Context(), r, snapshot.TagEdit{Add: []string{"x"}}, turns)
					return err
				})
				if !errors.Is(err, test.err) {
					t.Errorf("%v, want %v", err, test.err)
				}
				want := make(map[string]int)
				for _, s := range test.want {
					want[s]++
				}
				if got := tags(t, o.s); !maps.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
			})
		})
	}
}

// Snapshots are replaced in slices, and whenever others get to the repository
// each is there once.
func TestTagInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 30
		s := mem.New()
		initRepository(t, s)
		must(t, s, func(r *repository.Repository) error {
			for n := range many {
				made := snapshot.Snapshot{Time: firstTime.Add(time.Duration(n) * time.Second), Paths: []string{"/a"}, Hostname: "www", Tree: id.Hash(nil)}
				if err := r.SaveSnapshot(t.Context(), &made); err != nil {
					return err
				}
			}
			return nil
		})
		slow := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Prefix: "snapshots/", Fault: fault.Delay(time.Second)})
		slices := 0
		must(t, slow, func(r *repository.Repository) error {
			l := &locks{r: r, between: func(_ context.Context, n int) error {
				slices = n
				if there, _ := count(t, s, repository.SnapshotFile); there != many {
					t.Errorf("%d snapshots between slices", there)
				}
				return nil
			}}
			edits, err := Tag(t.Context(), r, snapshot.TagEdit{Add: []string{"x"}}, editing(r, l))
			if len(edits) != many || l.alone > 2*aloneAtMost {
				t.Errorf("%d edits, alone for %v", len(edits), l.alone)
			}
			return err
		})
		if slices < 3 {
			t.Errorf("%d slices", slices)
		}
		if got := tags(t, s); got["0[x]"] != many {
			t.Errorf("%v", got)
		}
	})
}

// Between the storing of new trees and of the snapshots that need them a prune
// takes the trees for useless.
func TestRewriteBesideAPrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		initRepository(t, s)
		backUp(t, s, 0, files{"dir/a.tmp": []byte("tmp"), "dir/b": []byte("b")})
		backUp(t, s, 1, files{"c.tmp": []byte("tmp"), "d": []byte("d")})
		var edits []Edit
		var pruned PruneStats
		must(t, s, func(r *repository.Repository) (err error) {
			turns := editing(r, &locks{r: r, between: func(ctx context.Context, n int) (err error) {
				if n == 1 {
					pruned, err = prune(ctx, s, PruneOptions{})
				}
				return err
			}})
			edits, err = Rewrite(t.Context(), r, RewriteOptions{Exclude: patterns(t, "*.tmp"), Forget: true}, turns)
			return err
		})
		if pruned.Freed() == 0 || len(edits) != 2 {
			t.Fatalf("%d edits, and prune freed %d bytes", len(edits), pruned.Freed())
		}
		wantSound(t, s, map[id.ID]files{edits[0].New.Tree: {"dir/b": []byte("b")}, edits[1].New.Tree: {"d": []byte("d")}})
		if n, _ := count(t, s, repository.SnapshotFile); n != 2 {
			t.Errorf("%d snapshots", n)
		}
	})
}

// The same in a later slice: only what is left is done anew, and nothing of it
// that others forgot meanwhile.
func TestRewriteBesideALatePrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		initRepository(t, s)
		var made []*snapshot.Snapshot
		for day := range 30 {
			made = append(made, backUp(t, s, day, files{fmt.Sprint(day): fmt.Append(nil, day), "x.tmp": nil}))
		}
		slow := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Prefix: "snapshots/", Fault: fault.Delay(time.Second)})
		var edits []Edit
		chosen := 0
		gone := func(ctx context.Context, s storage.Store, which *snapshot.Snapshot) error {
			err := forget(ctx, s, which)
			if err == nil {
				_, err = prune(ctx, s, PruneOptions{})
			}
			return err
		}
		must(t, slow, func(r *repository.Repository) (err error) {
			turns := editing(r, &locks{r: r, between: func(ctx context.Context, n int) error {
				if n != 2 {
					return nil
				}
				return gone(ctx, s, made[29])
			}, beforeShared: func(ctx context.Context, n int) error {
				if n != 2 {
					return nil
				}
				return gone(ctx, s, made[28])
			}})
			choose := turns.Choose
			turns.Choose = func(ctx context.Context, all []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
				chosen++
				return choose(ctx, all)
			}
			edits, err = Rewrite(t.Context(), r, RewriteOptions{Exclude: patterns(t, "*.tmp"), Forget: true}, turns)
			return err
		})
		want := make(map[id.ID]files)
		for _, e := range edits {
			day := int(e.New.Time.Sub(firstTime) / (24 * time.Hour))
			want[e.New.Tree] = files{fmt.Sprint(day): fmt.Append(nil, day)}
		}
		wantSound(t, s, want)
		if n, _ := count(t, s, repository.SnapshotFile); n != 28 || len(want) != 28 || len(edits) != 28 || chosen != 1 {
			t.Errorf("%d snapshots, %d edits of %d, chosen %d times", n, len(edits), len(want), chosen)
		}
	})
}
