package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
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
