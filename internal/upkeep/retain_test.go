package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/immutable"
	"holdfast/storage/mem"
)

const aDay = 24 * time.Hour

// lockedPlace is a bucket of which everything is locked, on a clock of its
// own, and the cache of one machine that uses it.
type lockedPlace struct {
	t      *testing.T
	now    time.Time
	bucket *mem.Bucket
	calls  *countedLocker
	store  *immutable.Store
	cache  string
}

// countedLocker counts the requests for retentions.
type countedLocker struct {
	*mem.Bucket
	mu              sync.Mutex
	asked, extended int
	fail            func(key string) error
}

func (c *countedLocker) Retention(ctx context.Context, key string) (storage.Retention, error) {
	c.mu.Lock()
	c.asked++
	c.mu.Unlock()
	return c.Bucket.Retention(ctx, key)
}

func (c *countedLocker) Extend(ctx context.Context, key string, r storage.Retention) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.extended++
	if c.fail != nil {
		if err := c.fail(key); err != nil {
			return err
		}
	}
	return c.Bucket.Extend(ctx, key, r)
}

var testPolicy = immutable.Policy{Mode: storage.Compliance, For: 30 * aDay}

func newLockedPlace(t *testing.T) *lockedPlace {
	p := &lockedPlace{t: t, now: firstTime, cache: t.TempDir()}
	clock := func() time.Time { return p.now }
	p.bucket = mem.NewBucket(mem.BucketOptions{Now: clock, Settings: storage.Settings{Locking: storage.On}})
	p.calls = &countedLocker{Bucket: p.bucket}
	p.store = immutable.New(p.calls, testPolicy, clock)
	initRepository(t, p.store)
	return p
}

// retain runs the extension as it is after each backup.
func (p *lockedPlace) retain(all bool) (stats RetainStats, err error) {
	p.t.Helper()
	r, err := repository.Open(p.t.Context(), p.store, repository.Options{Password: testPassword, CacheDir: p.cache})
	if err != nil {
		p.t.Fatal(err)
	}
	plan, err := PlanRetain(p.t.Context(), r, RetainOptions{
		Until: testPolicy.Until(p.now), RenewBefore: p.now.Add(testPolicy.For / 2), All: all,
		Warn: func(item string, err error) { p.t.Logf("%s: %v", item, err) },
	})
	if err == nil {
		err = plan.Execute(p.t.Context())
		stats = plan.Stats
	}
	return stats, errors.Join(err, r.Close())
}

// wantLocked checks that whatever snapshots need is locked until then.
func (p *lockedPlace) wantLocked(until time.Time) {
	p.t.Helper()
	for key, needed := range p.needed() {
		r, err := p.bucket.Retention(p.t.Context(), key)
		if err != nil {
			p.t.Fatal(err)
		}
		if needed && r.Until.Before(until) {
			p.t.Errorf("%s: %s is locked until %s only", p.now.Format(time.DateOnly), key, r.Until)
		}
	}
}

// needed maps every object to whether snapshots need it.
func (p *lockedPlace) needed() map[string]bool {
	p.t.Helper()
	keys := map[string]bool{}
	must(p.t, p.store, func(r *repository.Repository) error {
		snapshots, err := r.Snapshots(p.t.Context())
		if err != nil {
			return err
		}
		if err := r.LoadIndex(p.t.Context()); err != nil {
			return err
		}
		x := r.Index().Frozen()
		w := reach{repo: r, index: x, found: newBitset(x.Len()), trees: new(Counter)}
		for _, s := range snapshots {
			if err := w.from(p.t.Context(), []id.ID{s.Tree}); err != nil {
				return err
			}
		}
		return x.ByPack(p.t.Context(), nil, func(pack id.ID, blobs []blob.Blob) error {
			key := repository.PackFile.Key(pack)
			for _, b := range blobs {
				i, _ := x.Position(b.Handle)
				keys[key] = keys[key] || w.found.has(i)
			}
			return nil
		})
	})
	err := p.bucket.List(p.t.Context(), "", func(i storage.Info) error {
		if !strings.HasPrefix(i.Key, "data/") && !isExempt(i.Key) {
			keys[i.Key] = true
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return keys
}

// A fixed period alone would let the data lapse that a year of snapshots
// shares. And what is extended twice a day costs money.
func TestRetentionsNeverLapse(t *testing.T) {
	p := newLockedPlace(t)
	content := make(files)
	for n := range 10 {
		content[fmt.Sprintf("old/%d", n)] = noise(uint64(n), 600_000)
	}
	for day := range 100 {
		content["today"] = noise(uint64(1000+day), 1000)
		backUp(t, p.store, day, content)
		if _, err := p.retain(false); err != nil {
			t.Fatal(err)
		}
		p.wantLocked(p.now.Add(testPolicy.For / 2))
		if day == 0 {
			p.calls.asked, p.calls.extended = 0, 0
		}
		p.now = p.now.Add(aDay)
	}
	objects := len(p.needed())
	// Each new object is asked about once; each old one is extended once in 15
	// days, 7 times in all.
	if p.calls.asked > objects || p.calls.extended > 7*objects {
		t.Errorf("%d objects: %d requests to ask, %d to extend", objects, p.calls.asked, p.calls.extended)
	}
	t.Logf("%d objects, 100 days: %d requests to ask, %d to extend", objects, p.calls.asked, p.calls.extended)
}

func TestWhatNobodyNeedsLapses(t *testing.T) {
	p := newLockedPlace(t)
	gone := backUp(t, p.store, 0, files{"gone": noise(1, 3_000_000)})
	backUp(t, p.store, 0, files{"kept": noise(2, 3_000_000)})
	if _, err := p.retain(false); err != nil {
		t.Fatal(err)
	}
	p.now = p.now.Add(31 * aDay) // nobody ran: everything has lapsed
	if err := forget(t.Context(), p.store, gone); err != nil {
		t.Fatal(err)
	}
	stats, err := p.retain(false)
	if err != nil {
		t.Fatal(err)
	}
	p.wantLocked(p.now.Add(29 * aDay))
	if stats.Idle == 0 {
		t.Errorf("packs that only the forgotten snapshot needed are locked again: %+v", stats)
	}
	locked := 0
	for key, needed := range p.needed() {
		if r, _ := p.bucket.Retention(t.Context(), key); !needed && !r.IsZero() {
			locked++
		}
	}
	if locked > 0 {
		t.Errorf("%d objects that nobody needs are locked", locked)
	}

	// The same content comes back: a backup takes over the packs that lapsed.
	backUp(t, p.store, 32, files{"gone": noise(1, 3_000_000)})
	if stats, err = p.retain(false); err != nil || stats.Idle > 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	p.wantLocked(p.now.Add(29 * aDay))
}

func TestRetainWithoutARecord(t *testing.T) {
	p := newLockedPlace(t)
	backUp(t, p.store, 0, files{"a": noise(1, 2_000_000)})
	if _, err := p.retain(false); err != nil {
		t.Fatal(err)
	}
	p.cache = t.TempDir()
	p.calls.asked, p.calls.extended = 0, 0
	stats, err := p.retain(false)
	if err != nil || p.calls.extended != 0 || p.calls.asked != stats.Objects {
		t.Errorf("a lost record: %d extended, %d asked of %d objects, %v", p.calls.extended, p.calls.asked, stats.Objects, err)
	}
}

func TestRetainGoesOnAfterFailures(t *testing.T) {
	p := newLockedPlace(t)
	backUp(t, p.store, 0, files{"a": noise(1, 20_000_000)})
	p.now = p.now.Add(20 * aDay)
	n := 0
	p.calls.fail = func(string) error {
		if n++; n%2 == 0 {
			return errors.New("slow down")
		}
		return nil
	}
	if _, err := p.retain(false); err == nil {
		t.Error("half of the requests failed, and nobody was told")
	}
	p.calls.fail, p.calls.extended = nil, 0
	stats, err := p.retain(false)
	if err != nil {
		t.Fatal(err)
	}
	if p.calls.extended >= stats.Objects {
		t.Errorf("it began anew: %d of %d objects extended again", p.calls.extended, stats.Objects)
	}
	p.wantLocked(p.now.Add(29 * aDay))
}

func TestRetainNeedsAPlaceThatLocks(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	must(t, s, func(r *repository.Repository) error {
		if _, err := PlanRetain(t.Context(), r, RetainOptions{}); !errors.Is(err, storage.ErrUnsupported) {
			t.Errorf("PlanRetain: %v, want ErrUnsupported", err)
		}
		return nil
	})
}

// Half a year of backups, forgets, prunes, days without power and lost caches,
// in a bucket with locks and versions. Each day everything that a snapshot
// needs is locked for long enough, and on some days an attacker with the keys
// of the account deletes, replaces and erases everything: the view of the moment
// before still has every snapshot whole.
func TestHalfAYearUnderAttack(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { halfAYear(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func halfAYear(t *testing.T, random *rand.Rand) {
	p := newLockedPlace(t)
	clock := func() time.Time { return p.now }
	p.bucket = mem.NewBucket(mem.BucketOptions{Now: clock, Settings: storage.Settings{
		Locking: storage.On, Versioning: storage.On,
		Rules: []storage.LifecycleRule{{Enabled: true, Actions: []storage.LifecycleAction{
			{Kind: storage.ExpireNoncurrent, After: 30 * aDay}, {Kind: storage.ExpireMarkers},
		}}},
	}})
	p.calls = &countedLocker{Bucket: p.bucket}
	p.store = immutable.New(p.calls, testPolicy, clock)
	initRepository(t, p.store)

	content := files{"old": noise(1, 2_000_000)}
	made := map[id.ID]files{} // by tree
	var kept []*snapshot.Snapshot
	lastRun := p.now
	for day := range 180 {
		p.now = p.now.Add(aDay)
		if random.IntN(4) == 0 && p.now.Sub(lastRun) < 10*aDay {
			continue // nobody is there
		}
		lastRun = p.now
		content = maps.Clone(content)
		content[fmt.Sprint("file", random.IntN(5))] = noise(uint64(100+day), 1000+random.IntN(100_000))
		s := backUp(t, p.store, day, content)
		kept, made[s.Tree] = append(kept, s), content
		if random.IntN(5) == 0 && len(kept) > 3 {
			gone := kept[random.IntN(len(kept)-1)]
			if err := forget(t.Context(), p.store, gone); err != nil {
				t.Fatal(err)
			}
			kept = slices.DeleteFunc(kept, func(s *snapshot.Snapshot) bool { return s == gone })
			delete(made, gone.Tree)
		}
		if random.IntN(10) == 0 {
			if _, err := prune(t.Context(), p.store, PruneOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if random.IntN(20) == 0 {
			p.cache = t.TempDir()
		}
		if _, err := p.retain(false); err != nil {
			t.Fatal(err)
		}
		p.wantLocked(p.now.Add(testPolicy.For / 2))
		if random.IntN(30) == 0 {
			p.attack(made)
		}
	}
	wantSound(t, p.store, made)
}

// attack plays somebody who may do everything, and a restore as of before. The
// bucket is what it was afterwards.
func (p *lockedPlace) attack(made map[id.ID]files) {
	p.t.Helper()
	before := p.now
	p.now = p.now.Add(time.Minute)
	var keys []string
	err := p.bucket.List(p.t.Context(), "", func(i storage.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for n, key := range keys {
		if n%2 == 0 {
			if err := p.bucket.Overwrite(key, []byte("ransom")); err != nil {
				p.t.Fatal(err)
			}
		}
		if err := p.bucket.Delete(p.t.Context(), key); err != nil {
			p.t.Fatal(err)
		}
		// Whoever may delete versions gets rid of what nothing protects.
		if err := p.bucket.EraseVersions(key); err != nil && !errors.Is(err, storage.ErrImmutable) {
			p.t.Fatal(err)
		}
	}
	p.now = p.now.Add(14 * aDay) // until somebody notices
	wantSound(p.t, p.bucket.AsOf(before), made)
	for _, key := range keys {
		if err := p.bucket.Revert(key, before); err != nil && !errors.Is(err, storage.ErrNotFound) {
			p.t.Fatal(err)
		}
	}
	p.now = before
}
