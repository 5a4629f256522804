package upkeep

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage/fault"
)

// walked are the walks through new snapshots that a plan was told of.
type walked struct{ counters []*Counter }

func (w *walked) watch(phase string, _ Amount) (*Counter, func()) {
	c := new(Counter)
	if phase == "find data used since" {
		w.counters = append(w.counters, c)
	}
	return c, func() {}
}

// trees returns how many folders were read in all walks.
func (w *walked) trees() (n uint64) {
	for _, c := range w.counters {
		n += c.Items.Load()
	}
	return n
}

// Catching up costs as much as what arrived, and nothing once it is done.
func TestCatchUpLooksAtWhatIsNew(t *testing.T) {
	s, content, want := beside(t)
	f := fault.New(s, 1)
	must(t, f, func(r *repository.Repository) error {
		w := new(walked)
		p, err := PlanPrune(t.Context(), r, PruneOptions{Watch: w.watch})
		if err != nil {
			return err
		}
		if err := p.Prepare(t.Context()); err != nil {
			return err
		}
		loaded := func() (n int) {
			for _, c := range f.Calls() {
				if c.Op == fault.OpGet && len(c.Key) > 10 && c.Key[:10] == "snapshots/" {
					n++
				}
			}
			return n
		}
		catchUp := func(snapshots int, trees uint64) error {
			t.Helper()
			before, walks := loaded(), w.trees()
			err := p.CatchUp(t.Context())
			if now, treesNow := loaded(), w.trees(); now-before != snapshots || treesNow-walks != trees {
				t.Errorf("it loaded %d snapshots and read %d folders, want %d and %d", now-before, treesNow-walks, snapshots, trees)
			}
			return err
		}
		err = catchUp(0, 0)
		c := files{"kept/a": content["kept"]["kept/a"], "new/a": []byte("a")} // a folder of those that stay, a new one, the root
		want[backUp(t, s, 9, c).Tree] = c
		err = errors.Join(err, catchUp(1, 2), catchUp(0, 0), p.Execute(t.Context()))
		backUp(t, s, 10, files{"another": []byte("another")})
		walks := len(w.counters)
		err = errors.Join(err, p.CatchUp(t.Context()))
		if len(w.counters) != walks {
			t.Error("it walked although nothing is left that could be rescued")
		}
		return err
	})
	wantSound(t, s, want)
}

// What arrives while packs are rewritten is looked at before others have to
// wait.
func TestPruneCatchesUpBeforeItIsAlone(t *testing.T) {
	s, _, want := beside(t)
	w := new(walked)
	must(t, s, func(r *repository.Repository) error {
		o := turns(r, func(context.Context, int) error {
			if w.trees() == 0 {
				t.Error("nothing was looked at under the shared lock")
			}
			return nil
		})
		o.Planned = func(context.Context, *PrunePlan) (bool, error) {
			c := files{"new": []byte("new")}
			want[backUp(t, s, 9, c).Tree] = c
			return true, nil
		}
		_, err := Prune(t.Context(), r, PruneOptions{Watch: w.watch}, o)
		return err
	})
	wantSound(t, s, want)
}

// A backup that begins and ends while a plan is made is found whole later.
func TestPlanBesideABackupInTheMidst(t *testing.T) {
	s, content, want := beside(t)
	m := &midst{Store: s}
	m.happen = func() {
		c := files{"again": content["gone"]["gone/a"], "new": noise(9, 1000)}
		want[backUp(t, s, 9, c).Tree] = c
	}
	must(t, m, func(r *repository.Repository) error {
		p, err := Prune(t.Context(), r, PruneOptions{}, Turns{
			Locks:   &arming{m},
			Planned: func(context.Context, *PrunePlan) (bool, error) { return true, nil },
			Allowed: func(context.Context) error { return nil },
		})
		if err == nil && p.Stats.PacksRemove == 0 {
			t.Error("nothing went")
		}
		return err
	})
	if m.armed.Load() || len(want) != 3 {
		t.Error("nothing happened")
	}
	wantSound(t, s, want)
}

// arming has something happen after the first listing under the first lock.
type arming struct{ m *midst }

func (a *arming) Locked(ctx context.Context, mode repository.LockMode, do func(context.Context) error) error {
	if mode == repository.Shared {
		a.m.armed.Store(true)
	}
	return do(ctx)
}

func (*arming) Number() int { return 0 }

// When the time is up nothing more is deleted, also not in another slice.
func TestPruneEndsWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, want := beside(t)
		for n := range 300 {
			s.Overwrite(repository.PackFile.Key(id.Hash(fmt.Append(nil, n))), []byte("orphan"))
		}
		slow := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Prefix: "data/", Fault: fault.Delay(time.Second)})
		must(t, slow, func(r *repository.Repository) error {
			l := &locks{r: r}
			o := turns(r, nil)
			o.Locks = l
			p, err := Prune(t.Context(), r, PruneOptions{MaxTime: 2 * time.Second}, o)
			if err == nil && (l.exclusive != 1 || !p.Cut()) {
				t.Errorf("%d slices, and nothing is left: %v", l.exclusive, !p.Cut())
			}
			return err
		})
		wantSound(t, s, want)
	})
}
