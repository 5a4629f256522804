package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
)

// TestEditorsAmongOthers lets backups, prunes, one who tags and one who takes
// files out of snapshots run at random times. In the end each snapshot that was
// made is there once, whole, with or without what was taken out.
func TestEditorsAmongOthers(t *testing.T) {
	runs := 3 * replays()
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			s := &shop{store: mem.New(), made: make(map[id.ID]files)}
			initRepository(t, s.store)
			made := make(map[int64]files) // none has the time of another
			var workers sync.WaitGroup
			work := func(n uint64, do func(rng *rand.Rand, round int) error) {
				rng := rand.New(rand.NewPCG(seed, n)) //nolint:gosec // a test
				workers.Go(func() {
					for round := range 4 {
						pause(rng)
						if err := do(rng, round); err != nil {
							t.Errorf("seed %d, worker %d: %v", seed, n, err)
						}
					}
				})
			}
			for n := range uint64(2) {
				content := make(files)
				work(n, func(rng *rand.Rand, round int) error {
					content = changed(rng, content)
					day := 10*int(n) + round
					err := s.backUp(t.Context(), rng, day, content)
					s.mu.Lock()
					defer s.mu.Unlock()
					made[firstTime.AddDate(0, 0, day).Unix()] = content
					return err
				})
			}
			edit := func(rng *rand.Rand, do func(r *repository.Repository, turns EditTurns) error) error {
				return with(t.Context(), s.store, func(r *repository.Repository) error {
					turns := editing(r, &locks{r: r, between: func(context.Context, int) error { pause(rng); return nil }})
					turns.Allowed = func(context.Context, []*snapshot.Snapshot) error { pause(rng); return nil }
					return do(r, turns)
				})
			}
			work(2, func(rng *rand.Rand, round int) error {
				return edit(rng, func(r *repository.Repository, turns EditTurns) error {
					_, err := Tag(t.Context(), r, snapshot.TagEdit{Add: []string{fmt.Sprint("round", round)}}, turns)
					return err
				})
			})
			work(3, func(rng *rand.Rand, round int) error {
				out := fmt.Sprint("/folder", round)
				return edit(rng, func(r *repository.Repository, turns EditTurns) error {
					_, err := Rewrite(t.Context(), r, RewriteOptions{Exclude: patterns(t, out), Forget: true}, turns)
					return err
				})
			})
			work(4, func(rng *rand.Rand, _ int) error {
				return with(t.Context(), s.store, func(r *repository.Repository) error {
					o := turns(r, func(context.Context, int) error { pause(rng); return nil })
					_, err := Prune(t.Context(), r, PruneOptions{}, o)
					return err
				})
			})
			workers.Wait()
			wantEachOnce(t, s, made)
		})
	}
}

// wantEachOnce checks that there is one snapshot of each time, and that it holds
// what was backed up then, but for folders as a whole.
func wantEachOnce(t *testing.T, s *shop, made map[int64]files) {
	t.Helper()
	must(t, s.store, func(r *repository.Repository) error {
		all, err := r.Snapshots(t.Context())
		err = errors.Join(err, r.LoadIndex(t.Context()))
		seen := make(map[int64]bool)
		for _, one := range all {
			content, restoreErr := restored(t.Context(), r, one.Tree)
			err = errors.Join(err, restoreErr)
			want := maps.Clone(made[one.Time.Unix()])
			maps.DeleteFunc(want, func(path string, _ []byte) bool {
				folder, _, isFolder := strings.Cut(path, "/")
				return isFolder && !has(content, folder)
			})
			if !maps.EqualFunc(content, want, bytes.Equal) || seen[one.Time.Unix()] {
				t.Errorf("snapshot of %v: %d files of %d; there already: %v", one.Time, len(content), len(want), seen[one.Time.Unix()])
			}
			seen[one.Time.Unix()] = true
		}
		if len(seen) != len(made) {
			t.Errorf("%d snapshots of %d", len(seen), len(made))
		}
		return err
	})
}

// has tells whether anything of a folder is there.
func has(content files, folder string) bool {
	for path := range content {
		if strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
