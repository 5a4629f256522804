package postgres_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/source"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// arriving is a base backup under way.
type arriving interface {
	source.Arrivals
	Close() error
}

// runWith begins a base backup, has something happen, and takes it.
func runWith(t *testing.T, r *repository.Repository, begin func() (arriving, error), meanwhile func()) (*backup.Receipt, error) {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	meanwhile()
	o := backup.Options{Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}}}
	return backup.RunArrivals(t.Context(), r, b, o, nil)
}

// remotely and locally begin base backups of a cluster; since is the snapshot that
// they are compared with, nil for a full one.
func remotely(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, since *snapshot.Snapshot) func() (arriving, error) {
	return func() (arriving, error) {
		o := postgres.Options{DSN: c.DSN(), Root: "shop", WithWAL: true}
		if since != nil {
			earlier, err := backup.OpenRecorded(t.Context(), r, since, "shop")
			if err != nil {
				return nil, err
			}
			o.Earlier = earlier
		}
		b, err := postgres.Start(t.Context(), o)
		if err == nil && since != nil && b.Full != "" {
			t.Errorf("it is no incremental backup: %s", b.Full)
		}
		return b, err
	}
}

func locally(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, since *snapshot.Snapshot) func() (arriving, error) {
	return func() (arriving, error) {
		l, err := postgres.StartLocal(t.Context(), localOptions(c))
		if err != nil || since == nil {
			return l, err
		}
		earlier, err := backup.OpenRecorded(t.Context(), r, since, "shop")
		if err == nil {
			_, err = l.CompareWith(t.Context(), earlier)
		}
		return l, err
	}
}

// A standby that is promoted while it is backed up, either way, in full or by what
// changed: no snapshot comes of it, and the next backup is of the new timeline and
// whole.
func TestPromotedMeanwhile(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		settings := []string{"autovacuum = off", "wal_keep_size = 1GB"} // for standbys that are behind
		changes := strings.Contains(bin, "17")
		if changes {
			settings = append(settings, "summarize_wal = on")
		}
		c := pgcluster.New(t, bin, settings...)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 300000) n") // more than connections hold
		for name, begin := range map[string]func(*testing.T, *repository.Repository, *pgcluster.Cluster, *snapshot.Snapshot) func() (arriving, error){
			"remote": remotely, "local": locally,
		} {
			for _, incremental := range []bool{false, true} {
				if incremental && name == "remote" && !changes {
					continue
				}
				standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
				pgcluster.Run(t, filepath.Join(bin, "pg_basebackup"), "-D", standby.Data, "-d", c.DSN(), "-R", "-X", "stream", "-c", "fast", "--no-sync")
				standby.Start()
				r := newRepository(t)
				var since *snapshot.Snapshot
				if incremental {
					receipt, err := runWith(t, r, begin(t, r, standby, nil), func() {})
					if err != nil {
						t.Fatal(err)
					}
					since = receipt.Snapshot
					c.Exec("UPDATE numbers SET md5 = reverse(md5); CHECKPOINT")
					waitReplayed(t, c, standby)
					standby.Exec("CHECKPOINT")
					if err := r.LoadIndex(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				_, err := runWith(t, r, begin(t, r, standby, since), standby.Promote)
				if err == nil || !strings.Contains(err.Error(), "run it again") {
					t.Errorf("%s, incremental %t: %v", name, incremental, err)
				}
				found, err := r.Snapshots(t.Context())
				if err != nil || len(found) > 1 || len(found) == 1 && since == nil {
					t.Errorf("%s, incremental %t: snapshots %v, %v", name, incremental, found, err)
				}
				receipt, err := runWith(t, r, begin(t, r, standby, nil), func() {})
				if err != nil {
					t.Fatalf("%s: no backup after a promotion: %v", name, err)
				}
				data := filepath.Join(pgcluster.Folder(t), "data")
				restoreTo(t, r, receipt.Snapshot, data)
				pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), "-n", data)
				standby.Kill()
			}
		}
	})
}

// A disk that is full while changed blocks are put together, and a server that is
// killed then: there is no snapshot, the ones before are whole, and the next backup
// is as good as if nothing had happened.
func TestChangedCutShort(t *testing.T) {
	c := summarizing(t)
	c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 300000) n")
	store := fault.New(mem.New(), 1)
	r := newRepositoryOn(t, store)
	first := takeChanged(t, r, c, nil)
	c.Exec("UPDATE numbers SET md5 = reverse(md5)")
	store.Add(fault.Rule{Op: fault.OpPut, Prefix: "data/", Skip: 1, Fault: fault.Before(syscall.ENOSPC)})
	if _, err := runWith(t, r, remotely(t, r, c, first.Snapshot), func() {}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the repository's disk is full: %v", err)
	}
	store.Clear()
	for name, meanwhile := range map[string]func(){
		"server killed": func() { c.Kill(); waitEnded(t, c); c.Start() },
		"restarted":     func() { c.Stop(); c.Start() },
	} {
		if _, err := runWith(t, r, remotely(t, r, c, first.Snapshot), meanwhile); err == nil || !strings.Contains(err.Error(), "run it again") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if found, err := r.Snapshots(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("snapshots %v, %v", found, err)
	}
	second := takeChanged(t, r, c, first.Snapshot)
	if second.full != "" {
		t.Errorf("after those that were cut short a full backup: %s", second.full)
	}
	if got := started(t, c, verified(t, r, c, second.Snapshot)).Query("SELECT count(*) FROM numbers WHERE md5 = reverse(md5(n::text))"); got != "300000" {
		t.Errorf("the restored table has %s rows that are right", got)
	}
	verified(t, r, c, first.Snapshot)
}
