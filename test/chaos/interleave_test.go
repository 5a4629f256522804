package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// interleavings is how many seeds are tried.
func interleavings() int {
	if soak() {
		return 300
	}
	return 16
}

// Two writers and a pruner, who forgets old snapshots too, work on one
// repository in an order that a seed decides. Each of them dies now and then.
// What was acknowledged and not forgotten comes back.
func TestTwoWritersAndAPruner(t *testing.T) {
	judge := newJudge(t, 4, interleavings())
	first := rand.Uint64()
	for n := range interleavings() {
		t.Run(fmt.Sprintf("seed %d", first+uint64(n)), func(t *testing.T) {
			folders := []string{workFolder(t, 0), workFolder(t, 1)}
			base := newRepository(t)
			synctest.Test(t, func(t *testing.T) { interleave(t, first+uint64(n), base, folders, judge) })
		})
	}
}

// actor does its work again and again on a store whose operations take as
// long as its random numbers say. The bubble's clock makes that an order.
type actor struct {
	name   string
	random *rand.Rand
	mu     sync.Mutex
	base   storage.Store
	cache  string
}

const (
	// roundsEach is how often each actor works.
	roundsEach = 4
	// longestOperation bounds what one operation of a store takes.
	longestOperation = 2 * time.Second
	// deathOdds is one in how many rounds an actor dies in, and latestDeath
	// the last operation it dies at.
	deathOdds   = 3
	latestDeath = 40
)

func interleave(t *testing.T, seed uint64, base *mem.Store, folders []string, judge *judge) {
	kept := &ledger{newest: make(map[string]record)}
	var actors sync.WaitGroup
	for n, folder := range folders {
		a := newActor(t, fmt.Sprint("writer-", n), seed, base)
		actors.Go(func() {
			for range roundsEach {
				a.write(t, folder, kept)
			}
		})
	}
	pruner := newActor(t, "pruner", seed, base)
	actors.Go(func() {
		for range roundsEach {
			pruner.prune(t, kept)
		}
	})
	actors.Wait()
	removeStaleLocks(t, base)
	for _, r := range kept.newest {
		r.wantKept(t, base)
	}
	judge.wantSound(t, base)
	if err := kept.forgetAndPrune(t.Context(), process{store: base}); err != nil {
		t.Errorf("prune once more: %v", err)
	}
	for _, r := range kept.newest {
		r.wantKept(t, base)
	}
	judge.wantSound(t, base)
}

// ledger holds the newest snapshot that each writer was told is safe.
type ledger struct {
	mu     sync.Mutex
	newest map[string]record
}

func (k *ledger) has(s *snapshot.Snapshot) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.newest[s.Hostname][s.ID] != nil
}

func newActor(t *testing.T, name string, seed uint64, base *mem.Store) *actor {
	number := uint64(0)
	for _, c := range name {
		number = number*31 + uint64(c)
	}
	return &actor{name: name, random: rand.New(rand.NewPCG(seed, number)), base: base, cache: t.TempDir()}
}

func (a *actor) draw(n int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.random.Int64N(n)
}

// store returns the store for one round, in which the actor may die.
func (a *actor) store() *fault.Store {
	s := fault.New(slowStore{a.base, a}, uint64(a.draw(1<<62)))
	if a.draw(deathOdds) == 0 {
		s.CrashAt(int(1+a.draw(latestDeath)), fault.Crash(a.draw(2)))
	}
	return s
}

// afterDeath lets the lock of the dead grow stale and removes it.
func (a *actor) afterDeath(t *testing.T, s *fault.Store, err error) {
	if !s.Crashed() {
		t.Errorf("%s: %v", a.name, err)
		return
	}
	time.Sleep(31 * time.Minute) // of the bubble
	removeStaleLocks(t, a.base)
}

func removeStaleLocks(t *testing.T, s storage.Store) {
	r, err := repository.Open(t.Context(), s, repository.Options{Password: []byte(password)})
	if err == nil {
		_, err = r.RemoveStaleLocks(t.Context(), false)
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		t.Errorf("remove stale locks: %v", err)
	}
}

// write changes the folder and backs it up.
func (a *actor) write(t *testing.T, folder string, kept *ledger) {
	for n := range 3 {
		name := fmt.Sprint("file-", a.draw(6))
		size := int(200_000 + a.draw(400_000))
		if a.draw(4) == 0 {
			size = 2_500_000
		}
		// Few seeds: writers often have content that is there already, or
		// was, and is being pruned.
		writeFile(t, folder, name, noise(uint64(a.draw(8))+uint64(n), size))
		changed := old.Add(time.Duration(a.draw(int64(1000 * time.Hour))))
		if err := os.Chtimes(filepath.Join(folder, name), changed, changed); err != nil {
			t.Error(err)
		}
	}
	s := a.store()
	p := process{store: s, cache: a.cache, host: a.name}
	holds := contentOf(t, folder)
	made, err := p.backup(t.Context(), folder)
	if !made.IsZero() {
		kept.mu.Lock()
		kept.newest[a.name] = record{made: holds}
		kept.mu.Unlock()
	}
	if err != nil {
		a.afterDeath(t, s, err)
	}
}

// prune forgets old snapshots, and prunes.
func (a *actor) prune(t *testing.T, kept *ledger) {
	s := a.store()
	p := process{store: s, cache: a.cache, host: a.name}
	if err := kept.forgetAndPrune(t.Context(), p); err != nil {
		a.afterDeath(t, s, err)
	}
}

// forgetAndPrune keeps the newest snapshot of each writer, and the newest that
// it was told of: one who died may have made one more.
func (k *ledger) forgetAndPrune(ctx context.Context, p process) error {
	err := p.locked(ctx, repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err != nil {
			return err
		}
		newest := make(map[string]*snapshot.Snapshot)
		for _, s := range snapshots { // oldest first
			newest[s.Hostname] = s
		}
		var old []*snapshot.Snapshot
		for _, s := range snapshots {
			if newest[s.Hostname] != s && !k.has(s) {
				old = append(old, s)
			}
		}
		return upkeep.PlanForgetThese(old).Execute(ctx, r)
	})
	if err != nil {
		return err
	}
	return p.prune(ctx)
}

func workFolder(t *testing.T, n int) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), fmt.Sprint("folder-", n))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// slowStore takes a while for each operation, which gives the others theirs.
type slowStore struct {
	storage.Store
	a *actor
}

func (s slowStore) wait() { time.Sleep(time.Duration(s.a.draw(int64(longestOperation)))) }

func (s slowStore) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	s.wait()
	return s.Store.Put(ctx, key, body, o)
}

func (s slowStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.wait()
	return s.Store.Get(ctx, key, offset, length)
}

func (s slowStore) Stat(ctx context.Context, key string) (storage.Info, error) {
	s.wait()
	return s.Store.Stat(ctx, key)
}

func (s slowStore) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	s.wait()
	return s.Store.List(ctx, prefix, visit)
}

func (s slowStore) Delete(ctx context.Context, key string) error {
	s.wait()
	return s.Store.Delete(ctx, key)
}
