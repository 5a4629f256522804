package upkeep

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// mirrorInto brings a mirror in line with the repository in a store.
func mirrorInto(ctx context.Context, from, to storage.Store, o MirrorOptions) (receipt *MirrorReceipt, err error) {
	err = with(ctx, from, func(src *repository.Repository) error {
		if err := loadIndex(ctx, src); err != nil {
			return err
		}
		m, err := BeginMirror(ctx, src, to, repository.Options{})
		if err != nil {
			return err
		}
		receipt, err = Mirror(ctx, src, m, o, mirroring(unlocked{between: nothing}))
		return errors.Join(err, m.Close())
	})
	return receipt, err
}

// mirroring mirrors under some locks.
func mirroring(l Locks) MirrorTurns {
	return MirrorTurns{
		Locks:   l,
		Planned: func(*MirrorPlan) bool { return true },
		Allowed: func(context.Context) error { return nil },
	}
}

// objects returns everything in a store but locks.
func objects(t fatalf, s storage.Store) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := s.List(t.Context(), "", func(info storage.Info) error {
		if strings.HasPrefix(info.Key, "locks/") || info.Key == logMark {
			return nil
		}
		data, err := storage.ReadAll(t.Context(), s, info.Key)
		all[info.Key] = data
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

func wantSame(t fatalf, a, b storage.Store) {
	t.Helper()
	x, y := objects(t, a), objects(t, b)
	if !maps.EqualFunc(x, y, bytes.Equal) {
		t.Fatalf("the mirror has %q,\nwant %q", slices.Sorted(maps.Keys(y)), slices.Sorted(maps.Keys(x)))
	}
}

// logMark speaks of the log in one place, and may go at any time.
const logMark = "holdfast/log/shop/7/00000001/durable/0000000001000000.0.mark"

// addRecords adds two objects below holdfast/: a record, and one that no hash
// proves.
func addRecords(t *testing.T, s storage.Store) {
	must(t, s, func(r *repository.Repository) error {
		_, err := r.SaveRecord(t.Context(), "holdfast/evidence/x-", []byte("{}"))
		return err
	})
	if err := s.Put(t.Context(), logMark, storage.Bytes([]byte("mark")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "holdfast/log/1", storage.Bytes([]byte("segment")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestMirror(t *testing.T) {
	from, _, _, _ := twoBackups(t)
	addRecords(t, from)
	if err := from.Put(t.Context(), "locks/"+strings.Repeat("a", 64), storage.Bytes(nil), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	to := mem.New()
	receipt, err := mirrorInto(t.Context(), from, to, MirrorOptions{})
	if err != nil || receipt.Problems != 0 || receipt.Copied.Count == 0 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	wantSame(t, from, to)
	if _, err := to.Stat(t.Context(), logMark); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a mark of the log in the mirror: %v", err)
	}
	again, err := mirrorInto(t.Context(), from, to, MirrorOptions{})
	if err != nil || again.Copied.Count != 0 || again.Present.Count == 0 {
		t.Errorf("second run: %+v, %v", again, err)
	}
	backUp(t, from, 3, files{"more": noise(77, 3000)})
	more, err := mirrorInto(t.Context(), from, to, MirrorOptions{})
	if err != nil || more.Copied.Count != 4 { // data, tree, index, snapshot
		t.Errorf("third run: %+v, %v", more, err)
	}
	wantSame(t, from, to)
}

func TestMirrorPassesOnNoDeletions(t *testing.T) {
	from, _, _, forgetFirst := twoBackups(t)
	to := mem.New()
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	before := objects(t, to)
	forgetFirst()
	if _, err := prune(t.Context(), from, PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	after := objects(t, to)
	for key, data := range before {
		if !bytes.Equal(after[key], data) {
			t.Errorf("%s went away", key)
		}
	}
	receipt, err := mirrorInto(t.Context(), from, to, MirrorOptions{Delete: true})
	if err != nil || receipt.Deleted == 0 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	wantSame(t, from, to)
}

func TestMirrorRefusesToDeleteNearlyAll(t *testing.T) {
	from := mem.New()
	initRepository(t, from)
	a, b := backUp(t, from, 0, files{"a": nil}), backUp(t, from, 1, files{"b": nil})
	to := mem.New()
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	before := objects(t, to)
	if err := forget(t.Context(), from, a, b); err != nil {
		t.Fatal(err)
	}
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{Delete: true}); err == nil || !strings.Contains(err.Error(), "2 of the 2 snapshots") {
		t.Errorf("%v", err)
	}
	if !maps.EqualFunc(before, objects(t, to), bytes.Equal) {
		t.Error("something changed all the same")
	}
}

// What the repository lost by damage, and not by a prune, may be nowhere but in
// the mirror: it stays there, and what is new is copied all the same.
func TestMirrorKeepsWhatTheRepositoryLost(t *testing.T) {
	for name, lost := range map[string][]repository.FileKind{
		"packs":                 {repository.PackFile},
		"index files":           {repository.IndexFile},
		"packs and index files": {repository.PackFile, repository.IndexFile},
	} {
		t.Run(name, func(t *testing.T) {
			from, _, _, _ := twoBackups(t)
			to := mem.New()
			if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
				t.Fatal(err)
			}
			before := objects(t, to)
			for _, kind := range lost {
				must(t, from, func(r *repository.Repository) error {
					all, err := listed(t.Context(), r, kind)
					for i := range all {
						err = errors.Join(err, from.Delete(t.Context(), kind.Key(i)))
					}
					return err
				})
			}
			if err := from.Put(t.Context(), "holdfast/log/2", storage.Bytes([]byte("new")), storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			receipt, err := mirrorInto(t.Context(), from, to, MirrorOptions{Delete: true})
			if !errors.Is(err, ErrIncomplete) || receipt.Deleted > 0 || receipt.Surplus == 0 {
				t.Errorf("%+v, %v", receipt, err)
			}
			before["holdfast/log/2"] = []byte("new")
			if !maps.EqualFunc(before, objects(t, to), bytes.Equal) {
				t.Error("the mirror does not have what it had, and what is new")
			}
		})
	}
}

func TestMirrorPassesOnNoDamage(t *testing.T) {
	from, _, kept, _ := twoBackups(t)
	pack := repository.PackFile.Key(packsOf(t, from, kept["new"])[0])
	sound, err := storage.ReadAll(t.Context(), from, pack)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(sound)
	bad[20] ^= 1
	early, late := mem.New(), mem.New()
	if _, err := mirrorInto(t.Context(), from, early, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	from.Overwrite(pack, bad)
	var told []string
	o := MirrorOptions{OnProblem: func(key string, _ error) { told = append(told, key) }}
	receipt, err := mirrorInto(t.Context(), from, late, o)
	if err != nil || receipt.Problems != 1 || !slices.Equal(told, []string{pack}) {
		t.Fatalf("%+v, %v, %q", receipt, err, told)
	}
	if _, err := late.Stat(t.Context(), pack); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a damaged pack was copied: %v", err)
	}
	if n, _ := count(t, late, repository.SnapshotFile); n != 2 {
		t.Errorf("%d snapshots: all else must be there", n)
	}
	if _, err := mirrorInto(t.Context(), from, early, o); err != nil {
		t.Fatal(err)
	}
	if left, err := storage.ReadAll(t.Context(), early, pack); err != nil || !bytes.Equal(left, sound) {
		t.Errorf("the mirror lost its sound pack: %v", err)
	}
}

func TestMirrorReplacesWhatIsTorn(t *testing.T) {
	from, _, kept, _ := twoBackups(t)
	to := mem.New()
	if _, err := mirrorInto(t.Context(), from, to, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	to.Overwrite(repository.PackFile.Key(packsOf(t, from, kept["new"])[0]), []byte("torn"))
	config, err := storage.ReadAll(t.Context(), from, "config")
	if err != nil {
		t.Fatal(err)
	}
	to.Overwrite("config", config[:10])
	receipt, err := mirrorInto(t.Context(), from, to, MirrorOptions{})
	if err != nil || receipt.Replaced != 1 {
		t.Errorf("%+v, %v", receipt, err)
	}
	wantSame(t, from, to)
}

func TestMirrorKnowsItsPlace(t *testing.T) {
	from, _, _, _ := twoBackups(t)
	other := mem.New()
	initRepository(t, other)
	backUp(t, other, 0, files{"theirs": []byte("x")})
	before := objects(t, other)
	if _, err := mirrorInto(t.Context(), from, other, MirrorOptions{}); !errors.Is(err, repository.ErrOtherRepository) {
		t.Errorf("mirrored into another repository: %v", err)
	}
	if err := other.Delete(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	delete(before, "config")
	if _, err := mirrorInto(t.Context(), from, other, MirrorOptions{}); !errors.Is(err, errOccupied) {
		t.Errorf("mirrored into one that lost its config: %v", err)
	}
	if !maps.EqualFunc(before, objects(t, other), bytes.Equal) {
		t.Error("something was written there")
	}
	own := mem.New()
	if _, err := mirrorInto(t.Context(), from, own, MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := own.Delete(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	if _, err := mirrorInto(t.Context(), from, own, MirrorOptions{}); err != nil {
		t.Errorf("a mirror does not get its config back: %v", err)
	}
	wantSame(t, from, own)
}

// wantWhole checks that a mirror, if there is one by now, has no snapshot that
// lacks something.
func wantWhole(t fatalf, s storage.Store, made map[id.ID]files) {
	t.Helper()
	if _, err := s.Stat(t.Context(), "config"); err != nil {
		return
	}
	err := with(t.Context(), s, func(r *repository.Repository) error {
		snapshots, err := r.Snapshots(t.Context())
		if err != nil && !repository.IsCorrupt(err) {
			return err
		}
		if err := loadIndex(t.Context(), r); err != nil {
			return err
		}
		for _, found := range snapshots {
			wantFiles(t, r, found.Tree, made[found.Tree])
		}
		return nil
	})
	// A config that was torn, or keys that the disk lost, open nothing.
	if err != nil && !repository.IsCorrupt(err) && !strings.Contains(err.Error(), "no key") {
		t.Fatalf("%v", err)
	}
}

func TestCrashInMirror(t *testing.T) {
	from, made := crashStore(t)
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return mem.New() },
		Job: func(ctx context.Context, s storage.Store) error {
			_, err := mirrorInto(ctx, from, s, MirrorOptions{})
			return err
		},
		Check: func(t *testing.T, left storage.Store) {
			if _, err := mirrorInto(t.Context(), from, left, MirrorOptions{}); err != nil {
				t.Fatalf("mirror again: %v", err)
			}
			wantSound(t, left, made)
		},
	})
}

// Whatever is torn or lost is the store's fault; without such faults no
// snapshot may ever lack something.
func TestMirrorIsWholeAtEveryInstant(t *testing.T) {
	from, made := crashStore(t)
	for n := 1; ; n++ {
		to := fault.New(mem.New(), 0)
		to.CrashAt(n, fault.CrashAfter)
		_, err := mirrorInto(t.Context(), from, to, MirrorOptions{})
		wantWhole(t, to.Unwrap(), made)
		if err == nil {
			return
		}
	}
}

// Backups go on while a mirror is made; each of its states must be whole.
func TestMirrorWhileBackupsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{store: mem.New(), made: make(map[id.ID]files)}
		initRepository(t, s.store)
		to := mem.New()
		var work sync.WaitGroup
		for w := range uint64(3) {
			work.Go(func() {
				rng := rand.New(rand.NewPCG(w, 1)) //nolint:gosec // a test
				content := make(files)
				for day := range 6 {
					content = changed(rng, content)
					if err := s.backUp(t.Context(), rng, int(w)*10+day, content); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 8 {
			time.Sleep(3 * time.Second)
			err := s.locked(t.Context(), repository.Shared, func(ctx context.Context, src *repository.Repository) error {
				if err := src.LoadIndex(ctx); err != nil {
					return err
				}
				m, err := BeginMirror(ctx, src, to, repository.Options{})
				if err != nil {
					return err
				}
				_, err = Mirror(ctx, src, m, MirrorOptions{}, mirroring(unlocked{between: nothing}))
				return errors.Join(err, m.Close())
			})
			if err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			made := maps.Clone(s.made)
			s.mu.Unlock()
			wantWhole(t, to, made)
		}
		work.Wait()
		if _, err := mirrorInto(t.Context(), s.store, to, MirrorOptions{}); err != nil {
			t.Fatal(err)
		}
		wantSound(t, to, s.made)
	})
}
