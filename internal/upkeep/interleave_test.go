package upkeep

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// shop is a repository that several work on, and what it must hold.
type shop struct {
	store storage.Store
	mu    sync.Mutex
	made  map[id.ID]files // by tree
	list  []*snapshot.Snapshot
}

// locked does something with the repository under a lock.
func (s *shop) locked(ctx context.Context, mode repository.LockMode, do func(ctx context.Context, r *repository.Repository) error) error {
	return with(ctx, s.store, func(r *repository.Repository) error {
		lock, locked, err := r.Lock(ctx, mode, repository.LockOptions{Retry: 24 * time.Hour})
		if err != nil {
			return err
		}
		return errors.Join(do(locked, r), lock.Unlock())
	})
}

// backUp makes a snapshot of changing files, with pauses.
func (s *shop) backUp(ctx context.Context, rng *rand.Rand, day int, content files) error {
	pause(rng)
	return s.locked(ctx, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		pause(rng)
		made, err := backUpTo(ctx, r, day, content)
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.made[made.Tree] = content
		s.list = append(s.list, made)
		return nil
	})
}

// prune forgets one snapshot and prunes, in turns with the others.
func (s *shop) prune(ctx context.Context, rng *rand.Rand) error {
	pause(rng)
	err := s.locked(ctx, repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
		return PlanForgetThese(s.oldest()).Execute(ctx, r)
	})
	if err != nil {
		return err
	}
	return with(ctx, s.store, func(r *repository.Repository) error {
		o := turns(r, func(context.Context, int) error { pause(rng); return nil })
		o.Planned = func(context.Context, *PrunePlan) (bool, error) { pause(rng); return true, nil }
		_, err := Prune(ctx, r, PruneOptions{}, o)
		return err
	})
}

// oldest takes the oldest snapshot from those that must be there.
func (s *shop) oldest() []*snapshot.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) < 2 {
		return nil
	}
	gone := s.list[0]
	s.list = s.list[1:]
	for _, left := range s.list {
		if left.Tree == gone.Tree {
			return []*snapshot.Snapshot{gone}
		}
	}
	delete(s.made, gone.Tree)
	return []*snapshot.Snapshot{gone}
}

func pause(rng *rand.Rand) { time.Sleep(time.Duration(rng.IntN(30_000)) * time.Millisecond) }

// TestWritersAndPruners lets three backups and two prunes run at random times
// of a clock that costs nothing.
func TestWritersAndPruners(t *testing.T) {
	runs := 5 * replays()
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			s := &shop{store: mem.New(), made: make(map[id.ID]files)}
			initRepository(t, s.store)
			var workers sync.WaitGroup
			for n := range uint64(3) {
				rng := rand.New(rand.NewPCG(seed, n)) //nolint:gosec // a test
				workers.Go(func() {
					content := make(files)
					for day := range 4 {
						content = changed(rng, content)
						err := s.backUp(t.Context(), rng, day, content)
						if n > 0 {
							err = errors.Join(err, s.prune(t.Context(), rng))
						}
						if err != nil {
							t.Errorf("worker %d: %v", n, err)
						}
					}
				})
			}
			workers.Wait()
			wantSound(t, s.store, s.made)
		})
	}
}
