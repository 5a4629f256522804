package mount

import (
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// fixture is a repository and what a mount sees of it.
type fixture struct {
	t      *testing.T
	r      *repository.Repository
	seen   *snapshots
	warned []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	r, err := repository.Init(t.Context(), mem.New(), repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	f := &fixture{t: t, r: r}
	f.seen = newSnapshots(r, &Options{
		Layout: Layout{Paths: []string{"%i"}, Time: "2006"}, Refresh: time.Minute,
		Filter: snapshot.Filter{Hosts: []string{"www"}},
		Warn:   func(item string, _ error) { f.warned = append(f.warned, item) },
	})
	return f
}

func (f *fixture) save(host string) *snapshot.Snapshot {
	f.t.Helper()
	s := &snapshot.Snapshot{Time: time.Now(), Tree: id.Random(), Hostname: host}
	if err := f.r.SaveSnapshot(f.t.Context(), s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// count returns how many snapshots the mount shows.
func (f *fixture) count() int {
	f.t.Helper()
	root, err := f.seen.current(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return len(root.entries)
}

func TestNewSnapshotsAppear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		first := f.save("www")
		f.save("other")
		if got := f.count(); got != 1 {
			t.Fatalf("%d snapshots, want 1", got)
		}
		f.save("www")
		time.Sleep(59 * time.Second)
		if got := f.count(); got != 1 {
			t.Errorf("%d snapshots before the list is old", got)
		}
		time.Sleep(time.Second)
		if got := f.count(); got != 2 {
			t.Errorf("%d snapshots, want 2", got)
		}
		if err := f.r.RemoveFile(t.Context(), repository.SnapshotFile, first.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := f.count(); got != 1 {
			t.Errorf("%d snapshots after one was removed", got)
		}
	})
}

func TestDamagedSnapshotIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.save("www")
		bad := id.Random()
		if err := f.r.Store().Put(t.Context(), repository.SnapshotFile.Key(bad), storage.Bytes([]byte("nonsense")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got := f.count(); got != 1 {
				t.Errorf("%d snapshots, want 1", got)
			}
			time.Sleep(time.Minute)
		}
		if len(f.warned) != 1 || f.warned[0] != bad.Short() {
			t.Errorf("warned of %q", f.warned)
		}
	})
}
