package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/confirm"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// allModes are all ways to die; a lost write is one that the store
// acknowledged.
var allModes = []fault.Crash{fault.CrashBefore, fault.CrashAfter, fault.CrashTorn, fault.CrashMissing}

// replays returns how often each crash test runs. Work that runs in parallel
// does its operations in another order every time, so that more runs find
// more: see tools/soak.sh.
func replays() int {
	if os.Getenv("HOLDFAST_SOAK") != "" {
		return 50
	}
	return 1
}

func replay(t *testing.T, r fault.Replay) {
	r.Modes = allModes
	for n := range replays() {
		r.Seed = uint64(n)
		t.Run(fmt.Sprint(n), r.Run)
	}
}

// crashStore makes a store with packs to keep, to rewrite, to delete and to
// ignore, whose snapshots want.
func crashStore(t *testing.T) (s *mem.Store, want map[id.ID]files) {
	s = mem.New()
	initRepository(t, s)
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	want = make(map[id.ID]files)
	content := make(files)
	var gone []*snapshot.Snapshot
	for day := range 5 {
		content = changed(rng, content)
		made := backUp(t, s, day, content)
		if day%2 == 0 {
			want[made.Tree] = content
		} else {
			gone = append(gone, made)
		}
	}
	gone = append(gone, backUp(t, s, 9, files{"unlike": noise(1000, 2000)}))
	if err := forget(t.Context(), s, gone...); err != nil {
		t.Fatal(err)
	}
	s.Overwrite(repository.PackFile.Key(id.Hash([]byte("orphan"))), []byte("orphan"))
	return s, want
}

func TestCrashInPrune(t *testing.T) {
	base, want := crashStore(t)
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Job: func(ctx context.Context, s storage.Store) error {
			_, err := prune(ctx, s, PruneOptions{})
			return err
		},
		Check: func(t *testing.T, left storage.Store) {
			wantSound(t, left, want)
			if _, err := prune(t.Context(), left, PruneOptions{}); err != nil {
				t.Fatalf("prune again: %v", err)
			}
			wantSound(t, left, want)
			wantPruned(t, left, PruneOptions{})
		},
	})
}

func TestCrashInForget(t *testing.T) {
	base, want := crashStore(t)
	gone := backUp(t, base, 20, files{"gone": []byte("gone")})
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Job:   func(ctx context.Context, s storage.Store) error { return forget(ctx, s, gone) },
		Check: func(t *testing.T, left storage.Store) {
			wantSound(t, left, want)
			if err := forget(t.Context(), left, gone); err != nil {
				t.Fatalf("forget again: %v", err)
			}
			wantSound(t, left, want)
		},
	})
}

// copyInto copies all snapshots of a store that another one lacks, and reads
// back what it stores.
func copyInto(ctx context.Context, from, to storage.Store) (receipt *CopyReceipt, err error) {
	err = with(ctx, from, func(src *repository.Repository) error {
		return with(ctx, confirm.New(to, confirm.Cheapest), func(dst *repository.Repository) error {
			snapshots, err := src.Snapshots(ctx)
			if err != nil {
				return err
			}
			others, err := dst.Snapshots(ctx)
			if err != nil && !repository.IsCorrupt(err) {
				return err
			}
			if err := errors.Join(src.LoadIndex(ctx), loadIndex(ctx, dst)); err != nil {
				return err
			}
			var missing []*snapshot.Snapshot
			for _, s := range snapshots {
				if Copied(s, others) == nil {
					missing = append(missing, s)
				}
			}
			d := &Destination{Repository: dst, Snapshots: missing}
			err = Copy(ctx, src, []*Destination{d}, CopyOptions{})
			receipt = &d.Receipt
			return err
		})
	})
	return receipt, err
}

func TestCrashInCopy(t *testing.T) {
	from, copied := crashStore(t)
	to := mem.New()
	initRepository(t, to)
	own := files{"own": []byte("of the destination"), "always": []byte("here")}
	before := map[id.ID]files{backUp(t, to, 30, own).Tree: own}
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return to.Clone() },
		Job: func(ctx context.Context, s storage.Store) error {
			_, err := copyInto(ctx, from, s)
			return err
		},
		Check: func(t *testing.T, left storage.Store) {
			wantSound(t, left, before)
			if _, err := copyInto(t.Context(), from, left); err != nil {
				t.Fatalf("copy again: %v", err)
			}
			wantSound(t, left, before)
			wantSound(t, left, copied)
			if receipt, err := copyInto(t.Context(), from, left); err != nil || len(receipt.Copied) != 0 {
				t.Errorf("copied %d snapshots twice, %v", len(receipt.Copied), err)
			}
		},
	})
}

func TestCrashInTag(t *testing.T) {
	base, want := crashStore(t)
	tag := func(ctx context.Context, s storage.Store) error {
		return with(ctx, s, func(r *repository.Repository) error {
			_, err := Tag(ctx, r, snapshot.TagEdit{Add: []string{"new"}}, editing(r, unlocked{between: nothing}))
			return err
		})
	}
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Job:   tag,
		Check: func(t *testing.T, left storage.Store) {
			wantSound(t, left, want)
			if err := tag(t.Context(), left); err != nil {
				t.Fatalf("tag again: %v", err)
			}
			wantSound(t, left, want)
			wantTagged(t, left, len(want))
		},
	})
}

// wantTagged checks that there are n snapshots, all tagged.
func wantTagged(t *testing.T, s storage.Store, n int) {
	must(t, s, func(r *repository.Repository) error {
		all, err := r.Snapshots(t.Context())
		if err != nil && !repository.IsCorrupt(err) {
			return err
		}
		if len(all) != n {
			t.Errorf("%d snapshots, want %d", len(all), n)
		}
		for _, s := range all {
			if len(s.Tags) != 1 || s.Tags[0] != "new" || s.Original == nil {
				t.Errorf("tags %v, original %v", s.Tags, s.Original)
			}
		}
		return nil
	})
}

func TestCrashInChangeOfPassword(t *testing.T) {
	base, want := crashStore(t)
	changed := []byte("battery staple")
	opens := func(ctx context.Context, s storage.Store, password []byte) error {
		r, err := repository.Open(ctx, s, repository.Options{Password: password})
		if err != nil {
			return err
		}
		_, err = r.Snapshots(ctx)
		return errors.Join(err, r.Close())
	}
	change := func(ctx context.Context, s storage.Store) error {
		return with(ctx, s, func(r *repository.Repository) error {
			_, err := r.ChangePassword(ctx, changed, cheap)
			return err
		})
	}
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Job:   change,
		Check: func(t *testing.T, left storage.Store) {
			if err := opens(t.Context(), left, testPassword); err == nil {
				wantSound(t, left, want)
				if err := change(t.Context(), left); err != nil {
					t.Fatalf("change again: %v", err)
				}
			}
			if err := opens(t.Context(), left, changed); err != nil {
				t.Errorf("neither password opens: %v", err)
			}
		},
	})
}
