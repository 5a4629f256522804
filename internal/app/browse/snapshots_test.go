package browse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

func TestSnapshotsAreChosenAndPaged(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	o.plan("shop", "orders", "main")
	root := m.raw(m.file("f", "1"))
	var made []*snapshot.Snapshot
	for hour := range 5 {
		made = append(made, m.snapshot(hour, root, of("shop", "orders")))
	}
	other := m.snapshot(10, root, func(s *snapshot.Snapshot) { s.Hostname, s.Tags = "laptop", []string{"red"} })
	// What another program made is told by its paths.
	byPaths := m.snapshot(11, root, func(s *snapshot.Snapshot) { s.Paths = []string{"/srv/orders"} })
	b := o.browser(quick)

	for name, c := range map[string]struct {
		q    api.SnapshotQuery
		want []*snapshot.Snapshot
	}{
		"all":         {api.SnapshotQuery{}, []*snapshot.Snapshot{byPaths, other, made[4], made[3], made[2], made[1], made[0]}},
		"of a plan":   {api.SnapshotQuery{Plan: "shop"}, []*snapshot.Snapshot{byPaths, made[4], made[3], made[2], made[1], made[0]}},
		"of a source": {api.SnapshotQuery{Source: "orders", Until: made[1].Time}, []*snapshot.Snapshot{made[1], made[0]}},
		"since":       {api.SnapshotQuery{Since: made[4].Time}, []*snapshot.Snapshot{byPaths, other, made[4]}},
		"of a host":   {api.SnapshotQuery{Host: "laptop"}, []*snapshot.Snapshot{other}},
		"with a tag":  {api.SnapshotQuery{Tag: "red"}, []*snapshot.Snapshot{other}},
		"none":        {api.SnapshotQuery{Plan: "no such"}, nil},
	} {
		c.q.Repository = "main"
		var got []string
		for c.q.Limit = 2; ; {
			page, err := b.Snapshots(t.Context(), c.q)
			if err != nil {
				t.Fatal(name, err)
			}
			if page.Total != len(c.want) || len(page.Snapshots) > 2 {
				t.Errorf("%s: %d of %d, want %d", name, len(page.Snapshots), page.Total, len(c.want))
			}
			for _, s := range page.Snapshots {
				got = append(got, s.ID)
			}
			if c.q.After = page.After; page.After == "" {
				break
			}
		}
		var want []string
		for _, s := range c.want {
			want = append(want, s.ID.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}

	s, err := b.SnapshotAt(t.Context(), "", "shop", "orders", made[2].Time.Add(time.Minute))
	if err != nil || s.ID != made[2].ID.String() || s.Plan != "shop" || s.Source != "orders" {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := b.SnapshotAt(t.Context(), "", "shop", "orders", aTime.Add(-time.Hour)); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if s, err := b.Snapshot(t.Context(), "main", "latest"); err != nil || s.ID != byPaths.ID.String() {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, bad := range []string{"0000000000000000", "", "../x"} {
		if _, err := b.Snapshot(t.Context(), "main", bad); !errors.Is(err, api.ErrNotFound) && !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "none"}); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
}

func TestWhatIsNewIsSeenAndWhatIsGoneIsNot(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	first := m.snapshot(0, m.raw(m.file("f", "1")), nil)
	b := o.browser(quick)
	total := func() int {
		t.Helper()
		page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"})
		if err != nil {
			t.Fatal(err)
		}
		return page.Total
	}
	if n := total(); n != 1 {
		t.Fatal(n)
	}
	m.begin()
	second := m.snapshot(1, m.raw(m.file("new", "2")), nil)
	if n := total(); n != 2 {
		t.Fatal(n)
	}
	page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: second.ID.String(), Path: "/"})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Name != "new" {
		t.Errorf("got %+v, %v", page, err)
	}
	if err := m.r.RemoveFile(t.Context(), repository.SnapshotFile, first.ID); err != nil {
		t.Fatal(err)
	}
	if n := total(); n != 1 {
		t.Fatal(n)
	}
	if v := b.places["main"].current; v.store.views.Load() != 1 {
		t.Errorf("%d views are open", v.store.views.Load())
	}
}

func TestDamagedSnapshotsAreTold(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	root := m.raw(m.file("f", "1"))
	bad, good := m.snapshot(0, root, nil), m.snapshot(1, root, nil)
	path := filepath.Join(m.dir, filepath.FromSlash(repository.SnapshotFile.Key(bad.ID)))
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("rotten"), 0o600)); err != nil {
		t.Fatal(err)
	}
	b := o.browser(quick)
	page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"})
	if err != nil || len(page.Snapshots) != 1 || page.Snapshots[0].ID != good.ID.String() || len(page.Damage) != 1 || page.Damage[0].Path != bad.ID.String() {
		t.Errorf("got %+v, %v", page, err)
	}
	if _, err := b.Snapshot(t.Context(), "main", bad.ID.String()); err == nil || errors.Is(err, api.ErrNotFound) {
		t.Errorf("a damaged snapshot is not one that does not exist: %v", err)
	}
}

// A changed configuration counts at once.
func TestAChangedPlaceIsOpenedAnew(t *testing.T) {
	o := newWorld(t)
	one, two := o.repository("one"), o.repository("two")
	one.snapshot(0, one.raw(one.file("f", "1")), nil)
	two.snapshot(0, two.raw(two.file("f", "1")), nil)
	two.snapshot(1, two.raw(two.file("f", "1")), nil)
	b := o.browser(limits{keepFor: time.Hour, refreshAfter: time.Hour, answerWithin: time.Minute, patience: time.Millisecond, askAgainAfter: time.Hour})
	if page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "one"}); err != nil || page.Total != 1 {
		t.Fatal(page, err)
	}
	changed := *o.cfg
	changed.Repositories = map[string]config.Repository{"one": o.cfg.Repositories["two"]}
	o.cfg = &changed
	if page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "one"}); err != nil || page.Total != 2 {
		t.Fatal(page, err)
	}
}

// What a run did is seen by who asks after it ended, however fresh the last
// look was; also if that goes on meanwhile.
func TestWhatARunDidIsSeen(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	m.snapshot(0, m.raw(m.file("f", "1")), nil)
	l := quick
	l.refreshAfter = time.Hour
	b := o.browser(l)
	gate, open := &gatedStore{}, b.open
	b.open = func(ctx context.Context, url string, so app.StoreOptions) (_ storage.Store, err error) {
		gate.Store, err = open(ctx, url, so)
		return gate, err
	}
	see := func(want int) {
		t.Helper()
		if page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"}); err != nil || page.Total != want {
			t.Fatalf("got %+v, %v; want %d", page, err, want)
		}
	}
	see(1)
	m.begin()
	m.snapshot(1, m.raw(m.file("f", "2")), nil)
	see(1)
	b.Changed("main", "never-opened")
	see(2)

	// A look has listed the snapshots, and is held up before it is done.
	gate.listed, gate.held = make(chan struct{}), make(chan struct{})
	gate.shut.Store(true)
	b.Changed("main")
	seen := make(chan int, 1)
	go func() {
		page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"})
		if err != nil {
			t.Error(err)
			page = &api.SnapshotPage{}
		}
		seen <- page.Total
	}()
	<-gate.listed
	m.begin()
	m.snapshot(2, m.raw(m.file("f", "3")), nil)
	b.Changed("main")
	close(gate.held)
	if n := <-seen; n != 3 {
		t.Errorf("a look that began too early counts: %d snapshots", n)
	}
}

// gatedStore holds up one look at the index files while it is shut.
type gatedStore struct {
	storage.Store

	shut         atomic.Bool
	listed, held chan struct{}
}

func (s *gatedStore) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if strings.HasPrefix(prefix, "index") && s.shut.CompareAndSwap(true, false) {
		close(s.listed)
		<-s.held
	}
	return s.Store.List(ctx, prefix, visit)
}
