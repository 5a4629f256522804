package postgres_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/restore"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

func newRepository(t *testing.T) *repository.Repository {
	t.Helper()
	return newRepositoryOn(t, mem.New())
}

func newRepositoryOn(t *testing.T, store storage.Store) *repository.Repository {
	t.Helper()
	r, err := repository.Init(t.Context(), store, repository.InitOptions{
		Password: []byte("x"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{Password: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// take takes a base backup with the WAL it needs.
func take(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, o postgres.Options) (*postgres.Backup, *backup.Receipt) {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.DSN, o.Root = c.DSN(), "shop"
	src, err := postgres.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	receipt, err := backup.RunArrivals(t.Context(), r, src, backup.Options{
		Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return src, receipt
}

// restoreTo restores the data directory of a snapshot.
func restoreTo(t *testing.T, r *repository.Repository, s *snapshot.Snapshot, target string) {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	receipt, err := restore.Run(t.Context(), r, s, restore.Options{
		Target: target, Subfolder: "/shop",
		OnError: func(path string, err error) { t.Errorf("%s: %v", path, err) },
	})
	if err != nil || receipt.Errors > 0 {
		t.Fatal(err)
	}
	if err := os.Chmod(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := pgcluster.Own(target); err != nil {
		t.Fatal(err)
	}
}

func TestBaseBackup(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 200000) n; CREATE INDEX ON numbers (n)")
		r := newRepository(t)
		src, first := take(t, r, c, postgres.Options{WithWAL: true})
		if src.System == "" || src.Timeline != 1 || src.Start == 0 || src.End <= src.Start || src.Damaged || src.TotalBytes == 0 {
			t.Errorf("the backup is described as %+v", src)
		}
		c.Exec("UPDATE numbers SET md5 = 'changed' WHERE n = 100000")
		_, second := take(t, r, c, postgres.Options{WithWAL: true})
		added, all := second.Snapshot.Summary.DataAdded, first.Snapshot.Summary.TotalBytesProcessed
		t.Logf("second backup after one change: %d new bytes of %d", added, all)

		data := filepath.Join(pgcluster.Folder(t), "data")
		restoreTo(t, r, first.Snapshot, data)
		pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), "-n", data)
		restored := pgcluster.Attach(t, bin, data)
		restored.Start()
		if got := restored.Query("SELECT count(*) || ' ' || max(md5) FROM numbers"); !strings.HasPrefix(got, "200000 f") {
			t.Errorf("the restored table has %s", got)
		}
	})
}

// Tablespaces outside of the data directory come along.
func TestBaseBackupTablespaces(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		place := filepath.Join(pgcluster.Folder(t), "space")
		if err := os.Mkdir(place, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := pgcluster.Own(place); err != nil {
			t.Fatal(err)
		}
		c.Exec("CREATE TABLESPACE fast LOCATION '" + place + "'")
		c.Exec("CREATE TABLE numbers TABLESPACE fast AS SELECT generate_series(1, 1000) n")
		r := newRepository(t)
		src, receipt := take(t, r, c, postgres.Options{WithWAL: true})
		if len(src.Tablespaces) != 1 || src.Tablespaces[0].Location != place {
			t.Fatalf("tablespaces %+v, want one at %s", src.Tablespaces, place)
		}
		data := filepath.Join(pgcluster.Folder(t), "data")
		restoreTo(t, r, receipt.Snapshot, data)
		pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), "-n", data)
	})
}

// Damaged pages are reported and the backup says so; it is kept.
func TestBaseBackupDamaged(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 10000) n")
		file := filepath.Join(c.Data, c.Query("SELECT pg_relation_filepath('numbers')"))
		c.Stop()
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content[5*8192+4000] ^= 1
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Start()
		var warnings bytes.Buffer
		src, receipt := take(t, newRepository(t), c, postgres.Options{WithWAL: true, Warn: func(m string) { warnings.WriteString(m + "\n") }})
		if !src.Damaged || receipt.Snapshot.ID.IsZero() {
			t.Errorf("damaged %t, snapshot %s", src.Damaged, receipt.Snapshot.ID)
		}
		if name := filepath.Base(file); !strings.Contains(warnings.String(), name) || !strings.Contains(warnings.String(), "block 5") {
			t.Errorf("the warnings do not name block 5 of %s:\n%s", name, &warnings)
		}
	})
}

// A server that ends, or ends the session, while it sends its files ends the
// backup, and so does a full disk of the repository: there is no snapshot, and
// nothing is left behind on the server.
func TestBaseBackupCutShort(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 300000) n") // more than connections hold
		r := newRepository(t)
		full := newRepositoryOn(t, fault.New(mem.New(), 1, fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Before(syscall.ENOSPC)}))
		run := func(r *repository.Repository, meanwhile func()) error {
			if err := r.LoadIndex(t.Context()); err != nil {
				t.Fatal(err)
			}
			b, err := postgres.Start(t.Context(), postgres.Options{DSN: c.DSN(), Root: "shop", WithWAL: true})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			meanwhile()
			_, err = backup.RunArrivals(t.Context(), r, b, backup.Options{Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}}}, nil)
			return err
		}
		for name, meanwhile := range map[string]func(){
			"session ended": func() {
				c.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast backup'")
			},
			"server killed": func() { c.Kill(); waitEnded(t, c); c.Start() },
			"restarted":     func() { c.Stop(); c.Start() },
		} {
			if err := run(r, meanwhile); err == nil || !strings.Contains(err.Error(), "run it again") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := run(full, func() {}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the repository's disk is full: %v", err)
		}
		for _, r := range []*repository.Repository{r, full} {
			if found, err := r.Snapshots(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("snapshots %v, %v", found, err)
			}
		}
		waitGone(t, c)
		if err := run(r, func() {}); err != nil {
			t.Errorf("no backup after those that were cut short: %v", err)
		}
	})
}
