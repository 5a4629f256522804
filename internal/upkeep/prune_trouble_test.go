package upkeep

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// What arrives between the locks of a prune and cannot be judged keeps it from
// deleting anything.
func TestPruneBesideTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		before  func(t *testing.T, s *mem.Store, content map[string]files)
		between func(t *testing.T, s *mem.Store, content map[string]files) error
		want    error
	}{
		"a snapshot that cannot be read": {
			between: func(_ *testing.T, s *mem.Store, _ map[string]files) error {
				s.Overwrite(repository.SnapshotFile.Key(id.Hash([]byte("torn"))), []byte("torn"))
				return nil
			},
		},
		"an index file that cannot be read": {
			between: func(_ *testing.T, s *mem.Store, _ map[string]files) error {
				s.Overwrite(repository.IndexFile.Key(id.Hash([]byte("torn"))), []byte("torn"))
				return nil
			},
			want: ErrIncomplete,
		},
		"a snapshot of what was nowhere": {
			between: func(t *testing.T, s *mem.Store, _ map[string]files) error {
				return with(t.Context(), s, func(r *repository.Repository) error {
					if err := r.LoadIndex(t.Context()); err != nil {
						return err
					}
					w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
					if err != nil {
						return err
					}
					b := tree.NewBuilder()
					node := tree.Node{Name: "a", Type: tree.File, Content: []id.ID{id.Hash([]byte("nowhere"))}}
					if err := b.Add(&node); err != nil {
						return err
					}
					saved, err := w.Save(t.Context(), blob.Tree, b.Bytes())
					if err := errors.Join(err, w.Flush(t.Context()), w.Close()); err != nil {
						return err
					}
					return r.SaveSnapshot(t.Context(), &snapshot.Snapshot{Time: firstTime, Tree: saved.ID})
				})
			},
			want: ErrIncomplete,
		},
		"a snapshot of what was gone, and of no use to anybody": {
			before: func(t *testing.T, s *mem.Store, content map[string]files) {
				for _, pack := range packsOf(t, s, content["gone"]["gone/a"]) {
					if err := s.Delete(t.Context(), repository.PackFile.Key(pack)); err != nil {
						t.Fatal(err)
					}
				}
			},
			between: func(t *testing.T, s *mem.Store, content map[string]files) error {
				backUp(t, s, 9, content["gone"])
				return nil
			},
			want: ErrIncomplete,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, content, want := beside(t)
			if test.before != nil {
				test.before(t, s, content)
			}
			before, _ := count(t, s, repository.PackFile)
			_, err := pruneBeside(t.Context(), s, PruneOptions{}, func(context.Context) error {
				before, _ = count(t, s, repository.PackFile)
				return test.between(t, s, content)
			})
			if after, _ := count(t, s, repository.PackFile); err == nil || !errors.Is(err, test.want) && test.want != nil || after < before {
				t.Errorf("%v; %d packs are left of %d", err, after, before)
			}
			left := s.Clone()
			for _, k := range []repository.FileKind{repository.SnapshotFile, repository.IndexFile} {
				_ = left.Delete(t.Context(), k.Key(id.Hash([]byte("torn")))) // one of them is there
			}
			wantSound(t, left, want)
		})
	}
}

// A snapshot may go after it was listed.
func TestPruneBesideASnapshotThatGoes(t *testing.T) {
	s, content, want := beside(t)
	f := fault.New(s, 1)
	must(t, f, func(r *repository.Repository) error {
		p, err := PlanPrune(t.Context(), r, PruneOptions{})
		if err != nil {
			return err
		}
		made := backUp(t, s, 9, content["gone"])
		f.Add(fault.Rule{Op: fault.OpGet, Prefix: repository.SnapshotFile.Key(made.ID), Fault: fault.Before(storage.ErrNotFound)})
		return p.CatchUp(t.Context())
	})
	wantSound(t, s, want)
}

// The index file that a prune stored may be gone when it is to delete the old
// ones.
func TestPruneWhoseIndexIsGone(t *testing.T) {
	s, _, want := beside(t)
	old := indexFiles(t, s)
	_, err := pruneBeside(t.Context(), s, PruneOptions{}, func(ctx context.Context) error {
		for i := range indexFiles(t, s) {
			if !old.Has(i) {
				if err := s.Delete(ctx, repository.IndexFile.Key(i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantSound(t, s, want)
	if _, err := prune(t.Context(), s, PruneOptions{}); err != nil { // packs of the first plan
		t.Error(err)
	}
	wantSound(t, s, want)
}

// An index file that the line did not bring is not a damaged one: what it lists
// is no orphan.
func TestPruneThatCannotReadTheIndex(t *testing.T) {
	s, _, want := beside(t)
	before := packFiles(t, s)
	broken := errors.New("broken line")
	f := fault.New(s, 1, fault.Rule{Op: fault.OpGet, Prefix: "index/", Skip: 1, Fault: fault.Before(broken)})
	err := with(t.Context(), f, func(r *repository.Repository) error {
		_, err := Prune(t.Context(), r, PruneOptions{}, turns(r, nil))
		return err
	})
	if after := packFiles(t, s); !errors.Is(err, broken) || len(after) < len(before) {
		t.Errorf("%v; %d packs are left of %d", err, len(after), len(before))
	}
	wantSound(t, s, want)
}

// While an old index file is there its packs are, too.
func TestPruneThatCannotReplaceTheIndex(t *testing.T) {
	for _, op := range []fault.Op{fault.OpPut, fault.OpDelete} {
		s, _, want := beside(t)
		before := packFiles(t, s)
		broken := errors.New("broken")
		f := fault.New(s, 1, fault.Rule{Op: op, Prefix: "index/", Skip: 2, Fault: fault.Before(broken)})
		if op == fault.OpPut { // the first one lists the rewritten packs, too
			f = fault.New(s, 1, fault.Rule{Op: op, Prefix: "index/", Fault: fault.Before(broken)})
		}
		err := with(t.Context(), f, func(r *repository.Repository) error {
			_, err := Prune(t.Context(), r, PruneOptions{}, turns(r, nil))
			return err
		})
		after := packFiles(t, s)
		for i := range before {
			if !after.Has(i) {
				t.Errorf("%s: pack %s is gone", op, i.Short())
			}
		}
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		wantSound(t, s, want)
	}
}

func packFiles(t *testing.T, s storage.Store) (there id.Set) {
	t.Helper()
	must(t, s, func(r *repository.Repository) (err error) {
		there, err = listed(t.Context(), r, repository.PackFile)
		return err
	})
	return there
}

func indexFiles(t *testing.T, s storage.Store) (there id.Set) {
	t.Helper()
	must(t, s, func(r *repository.Repository) (err error) {
		there, err = listed(t.Context(), r, repository.IndexFile)
		return err
	})
	return there
}

// A pack that stays anyway needs no rescue for what a new snapshot needs of it.
func TestPruneBesideABackupOfWhatStays(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	content := files{"used": noise(1, 1_000_000), "useless": noise(2, 1_000_000)} // a pack that is not small
	forgotten := backUp(t, s, 0, content)
	kept := files{"used": content["used"]}
	want := map[id.ID]files{backUp(t, s, 1, kept).Tree: kept}
	if err := forget(t.Context(), s, forgotten); err != nil {
		t.Fatal(err)
	}
	all := size.Unused{}
	if err := all.Set("unlimited"); err != nil {
		t.Fatal(err)
	}
	c := files{"again": content["useless"]}
	p, err := pruneBeside(t.Context(), s, PruneOptions{MaxUnused: all}, func(context.Context) error {
		want[backUp(t, s, 9, c).Tree] = c
		return nil
	})
	if err != nil || len(p.rescued) > 0 {
		t.Errorf("%v; %d packs were rescued", err, len(p.rescued))
	}
	wantSound(t, s, want)
}

// A pack that is listed and gone is no reason to let go of another one that has
// the same.
func TestPruneBesideAPackThatIsGone(t *testing.T) {
	s, content, want := beside(t)
	twice := content["gone"]["gone/a"]
	lost := packsOf(t, s, twice)[0]
	var listing []blob.Blob
	must(t, s, func(r *repository.Repository) error {
		if err := r.LoadIndex(t.Context()); err != nil {
			return err
		}
		err := r.Index().ByPack(t.Context(), func(i id.ID) bool { return i == lost }, func(_ id.ID, blobs []blob.Blob) error {
			listing = slices.Clone(blobs)
			return nil
		})
		if err != nil {
			return err
		}
		w, err := r.NewWriter(t.Context(), repository.WriterOptions{Rewrite: true})
		if err != nil {
			return err
		}
		_, err = w.Save(t.Context(), blob.Data, twice)
		return errors.Join(err, w.Flush(t.Context()), w.Close())
	})
	if err := s.Delete(t.Context(), repository.PackFile.Key(lost)); err != nil {
		t.Fatal(err)
	}
	c := files{"again": twice}
	p, err := pruneBeside(t.Context(), s, PruneOptions{}, func(ctx context.Context) error {
		return with(ctx, s, func(r *repository.Repository) error {
			if _, err := r.SaveIndex(ctx, []repository.PackContent{{ID: lost, Blobs: listing}}); err != nil {
				return err
			}
			made, err := backUpTo(ctx, r, 9, c)
			if err == nil {
				want[made.Tree] = c
			}
			return err
		})
	})
	if err != nil || p.Stats.PacksRemove == 0 {
		t.Errorf("%+v, %v", p.Stats, err)
	}
	wantSound(t, s, want)
}

// Between two exclusive locks others may have been there, too.
func TestPruneUnderOneLockAfterTheOther(t *testing.T) {
	s, content, want := beside(t)
	must(t, s, func(r *repository.Repository) error {
		o := turns(r, nil)
		o.Locks = &numbered{locks: locks{r: r, between: func(context.Context, int) error {
			want[backUp(t, s, 9, content["gone"]).Tree] = content["gone"]
			return nil
		}}}
		_, err := Prune(t.Context(), r, PruneOptions{}, o)
		return err
	})
	wantSound(t, s, want)
}

// Under one and the same lock nothing is looked at twice.
func TestPruneUnderOneLock(t *testing.T) {
	s, _, want := beside(t)
	counted := fault.New(s, 1)
	must(t, counted, func(r *repository.Repository) error {
		o := turns(r, nil)
		o.Locks = unlocked{}
		_, err := Prune(t.Context(), r, PruneOptions{}, o)
		return err
	})
	lists := 0
	for _, c := range counted.Calls() {
		if c.Op == fault.OpList && c.Key == "snapshots/" {
			lists++
		}
	}
	if lists != 1 {
		t.Errorf("snapshots were listed %d times", lists)
	}
	wantSound(t, s, want)
}

// A plan that is only looked at changes nothing, and what has nothing to do
// takes no exclusive lock.
func TestPruneThatDoesNothing(t *testing.T) {
	s, _, _ := beside(t)
	before := objects(t, s)
	must(t, s, func(r *repository.Repository) error {
		l := &locks{r: r}
		o := turns(r, nil)
		o.Locks = l
		o.Planned = func(_ context.Context, p *PrunePlan) (bool, error) {
			if p.NothingToDo() {
				t.Error("there is nothing to do")
			}
			return false, nil
		}
		_, err := Prune(t.Context(), r, PruneOptions{}, o)
		if l.exclusive > 0 {
			t.Error("it took an exclusive lock to look")
		}
		return err
	})
	if after := objects(t, s); len(after) != len(before) {
		t.Errorf("%d objects became %d", len(before), len(after))
	}
	if _, err := prune(t.Context(), s, PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	must(t, s, func(r *repository.Repository) error {
		l := &locks{r: r}
		o := turns(r, nil)
		o.Locks = l
		_, err := Prune(t.Context(), r, PruneOptions{}, o)
		if l.exclusive > 0 {
			t.Error("it took an exclusive lock for nothing")
		}
		return err
	})
}

// Where there is no room, holds are asked for as well, and what is only looked
// at stays.
func TestPruneWithoutRoomAsks(t *testing.T) {
	for name, change := range map[string]func(*Turns) error{
		"held": func(o *Turns) error {
			errHeld := errors.New("held")
			o.Allowed = func(context.Context) error { return errHeld }
			return errHeld
		},
		"looked at": func(o *Turns) error {
			plans := 0
			o.Planned = func(context.Context, *PrunePlan) (bool, error) {
				plans++
				return plans == 1, nil
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, want := beside(t)
			before, _ := count(t, s, repository.PackFile)
			full := fault.New(s, 1, fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Full()})
			err := with(t.Context(), full, func(r *repository.Repository) error {
				o := turns(r, nil)
				wanted := change(&o)
				_, err := Prune(t.Context(), r, PruneOptions{}, o)
				if !errors.Is(err, wanted) {
					t.Errorf("%v, want %v", err, wanted)
				}
				return nil
			})
			if after, _ := count(t, s, repository.PackFile); err != nil || after != before {
				t.Errorf("%v; %d packs are left of %d", err, after, before)
			}
			wantSound(t, s, want)
		})
	}
}

// What a prune stored that was cut off then is taken by the next one, which
// rewrites nothing again.
func TestPruneTakesWhatAnInterruptedOneMade(t *testing.T) {
	for range 8 { // which pack comes first is up to chance
		s, _, want := beside(t)
		must(t, s, func(r *repository.Repository) error {
			p, err := PlanPrune(t.Context(), r, PruneOptions{})
			if err != nil {
				return err
			}
			if p.Stats.PacksRepack == 0 {
				t.Error("nothing is rewritten")
			}
			return p.Prepare(t.Context())
		})
		if stats, err := prune(t.Context(), s, PruneOptions{}); err != nil || stats.PacksRepack > 0 || stats.PacksRemove == 0 {
			t.Fatalf("%+v, %v", stats, err)
		}
		wantSound(t, s, want)
	}
}

// What is of no use to anybody goes first, and may make room for the index.
func TestPruneMakesRoom(t *testing.T) {
	s, _, want := beside(t)
	s.Overwrite(repository.PackFile.Key(id.Hash([]byte("orphan"))), []byte("orphan"))
	c := &crowded{Store: s}
	must(t, c, func(r *repository.Repository) error {
		p, err := Prune(t.Context(), r, PruneOptions{}, turns(r, nil))
		if err == nil && p.Stats.PacksRemove == 0 {
			t.Errorf("nothing went: %+v", p.Stats)
		}
		return err
	})
	wantSound(t, s, want)
}

// crowded is a store without room for packs and index files until a pack went.
type crowded struct {
	storage.Store
	room atomic.Bool
}

func (c *crowded) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if !c.room.Load() && (strings.HasPrefix(key, "data/") || strings.HasPrefix(key, "index/")) {
		return storage.ErrFull
	}
	return c.Store.Put(ctx, key, body, o)
}

func (c *crowded) Delete(ctx context.Context, key string) error {
	err := c.Store.Delete(ctx, key)
	if err == nil && strings.HasPrefix(key, "data/") {
		c.room.Store(true)
	}
	return err
}

// A backup that begins and ends while the plan catches up is found whole, or by
// the next look.
func TestPruneCatchesUpWithABackupInTheMidst(t *testing.T) {
	s, content, want := beside(t)
	m := &midst{Store: s}
	m.happen = func() {
		c := files{"again": content["gone"]["gone/a"], "new": noise(9, 1000)}
		want[backUp(t, s, 9, c).Tree] = c
	}
	must(t, m, func(r *repository.Repository) error {
		p, err := PlanPrune(t.Context(), r, PruneOptions{})
		if err != nil {
			return err
		}
		if err := p.Prepare(t.Context()); err != nil {
			return err
		}
		m.armed.Store(true)
		if err := p.CatchUp(t.Context()); err != nil {
			return err
		}
		if m.armed.Load() {
			t.Error("nothing happened")
		}
		return errors.Join(p.CatchUp(t.Context()), p.Execute(t.Context()))
	})
	wantSound(t, s, want)
}

// midst is a store in which something happens after the next listing.
type midst struct {
	storage.Store
	armed  atomic.Bool
	happen func()
}

func (m *midst) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	err := m.Store.List(ctx, prefix, visit)
	if m.armed.CompareAndSwap(true, false) {
		m.happen()
	}
	return err
}

// Between two slices others may go on with a pack that is in no index file and
// waits to be deleted.
func TestPruneLeavesPacksThatOthersWentOnWithBetweenSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, want := beside(t)
		resumed, packs := interrupted(t, s)
		first := id.ID{} // what is listed first goes first
		for n := range 200 {
			first[1] = byte(n)
			s.Overwrite(repository.PackFile.Key(first), []byte("orphan"))
		}
		slow := fault.New(s, 1, fault.Rule{Op: fault.OpDelete, Prefix: "data/", Fault: fault.Delay(time.Second)})
		must(t, slow, func(r *repository.Repository) error {
			o := turns(r, func(ctx context.Context, n int) error {
				if n != 2 {
					return nil
				}
				return with(ctx, s, func(r *repository.Repository) error {
					if err := r.LoadIndex(ctx); err != nil {
						return err
					}
					if _, err := r.SaveIndex(ctx, packs); err != nil {
						return err
					}
					made, err := backUpTo(ctx, r, 9, resumed)
					if err == nil {
						want[made.Tree] = resumed
					}
					return err
				})
			})
			_, err := Prune(t.Context(), r, PruneOptions{}, o)
			return err
		})
		wantSound(t, s, want)
		if len(want) != 3 {
			t.Error("nobody went on")
		}
	})
}

// interrupted leaves what a backup leaves that is killed before its index: packs
// that are listed last, and what is in them.
func interrupted(t *testing.T, s *mem.Store) (content files, packs []repository.PackContent) {
	t.Helper()
	for n := uint64(0); len(packs) == 0; n++ {
		before := s.Clone()
		content = files{"resumed": noise(100+n, 50_000)}
		away := fault.New(s, 1, fault.Rule{Op: fault.OpPut, Prefix: "index/", Fault: fault.Before(errors.New("killed"))})
		err := with(t.Context(), away, func(r *repository.Repository) error {
			_, err := backUpTo(t.Context(), r, 8, content)
			return err
		})
		if err == nil {
			t.Fatal("the backup was not cut off")
		}
		must(t, s, func(r *repository.Repository) error {
			return r.ListFiles(t.Context(), repository.PackFile, func(i id.ID, sizeBytes int64) error {
				if _, err := before.Stat(t.Context(), repository.PackFile.Key(i)); err == nil {
					return nil
				}
				blobs, err := r.ReadPackHeader(t.Context(), i, sizeBytes)
				packs = append(packs, repository.PackContent{ID: i, Blobs: blobs})
				return err
			})
		})
		if slices.ContainsFunc(packs, func(p repository.PackContent) bool { return p.ID[0] == 0 }) {
			for _, p := range packs {
				if err := s.Delete(t.Context(), repository.PackFile.Key(p.ID)); err != nil {
					t.Fatal(err)
				}
			}
			packs = nil
		}
	}
	return content, packs
}

// What killed processes left that is no object goes with a prune.
func TestPruneCleans(t *testing.T) {
	s, _, _ := beside(t)
	c := &cleaned{Store: s}
	must(t, c, func(r *repository.Repository) error {
		_, err := Prune(t.Context(), r, PruneOptions{}, turns(r, nil))
		return err
	})
	if c.times == 0 {
		t.Error("nothing was cleaned")
	}
}

// cleaned is a store that counts how often it was cleaned.
type cleaned struct {
	storage.Store
	times int
}

func (c *cleaned) Clean(context.Context) error {
	c.times++
	return nil
}

var _ storage.Cleaner = (*cleaned)(nil)
