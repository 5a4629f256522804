package postgres_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/test/pgcluster"
)

func localOptions(c *pgcluster.Cluster) postgres.LocalOptions {
	return postgres.LocalOptions{
		DSN: c.DSN(), DataDirectory: c.Data, Root: "shop", WithWAL: true, Readers: 2,
		Open: func(folder string) (source.Source, error) { return files.New(files.Config{Paths: []string{folder}}) },
	}
}

// local is one base backup taken the local way.
type local struct {
	*postgres.Local
	receipt  *backup.Receipt
	progress *backup.Progress
	why      string
	warnings string
}

// takeLocal takes a base backup by reading the files, compared with an earlier
// one if there is one.
func takeLocal(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, earlier *snapshot.Snapshot, change ...func(*postgres.LocalOptions)) *local {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := &local{progress: new(backup.Progress)}
	var mu sync.Mutex
	options := localOptions(c)
	options.Warn = func(m string) {
		mu.Lock()
		defer mu.Unlock()
		l.warnings += m + "\n"
	}
	for _, edit := range change {
		edit(&options)
	}
	before := time.Now()
	var err error
	if l.Local, err = postgres.StartLocal(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := backup.Options{Progress: l.progress, Type: snapshot.Full, Snapshot: snapshot.Snapshot{Time: before, Hostname: "host", Paths: []string{"/shop"}}}
	if earlier != nil {
		recorded, err := backup.OpenRecorded(t.Context(), r, earlier, "shop")
		if err != nil {
			t.Fatal(err)
		}
		if l.why, err = l.CompareWith(t.Context(), recorded); err != nil {
			t.Fatal(err)
		}
		o.Type, o.Parent = snapshot.Incremental, earlier
	}
	if l.receipt, err = backup.RunArrivals(t.Context(), r, l, o, nil); err != nil {
		t.Fatal(err)
	}
	return l
}

// proveRestored restores a snapshot, starts the server on it, and has
// PostgreSQL's own programs look at all of it.
func proveRestored(t *testing.T, r *repository.Repository, s *snapshot.Snapshot, bin, sql, want string) {
	t.Helper()
	data := filepath.Join(pgcluster.Folder(t), "data")
	restoreTo(t, r, s, data)
	pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), data)
	c := pgcluster.Attach(t, bin, data)
	c.Start()
	if got := c.Query(sql); got != want {
		t.Errorf("%s says %q in the restored cluster, want %q", sql, got, want)
	}
	c.Exec("CREATE EXTENSION IF NOT EXISTS amcheck")
	pgcluster.Run(t, filepath.Join(bin, "pg_amcheck"), "-h", "127.0.0.1", "-p", strconv.Itoa(c.Port), "-U", "postgres", "-d", "postgres", "--heapallindexed")
	c.Stop()
	pgcluster.Run(t, filepath.Join(bin, "pg_checksums"), "--check", "-D", data)
}

func TestLocal(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 200000) n; CREATE INDEX ON numbers (n)")
		c.Exec("CREATE UNLOGGED TABLE fleeting AS SELECT generate_series(1, 100000) n")
		r := newRepository(t)
		l := takeLocal(t, r, c, nil)
		if l.System == "" || l.Timeline != 1 || l.Start == 0 || l.End <= l.Start || l.Damaged || l.TotalBytes == 0 || l.warnings != "" {
			t.Errorf("the backup is described as %+v, with warnings %q", l.About(), l.warnings)
		}
		proveRestored(t, r, l.receipt.Snapshot, bin, "SELECT (SELECT count(*) FROM numbers) || ' ' || (SELECT count(*) FROM fleeting)", "200000 0")
	})
}

// The two ways leave out the same, and what they store is the same: a second
// backup, taken the other way, adds next to nothing.
func TestLocalAsRemote(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 300000) n; CREATE INDEX ON numbers (n)")
		c.Exec("CREATE UNLOGGED TABLE fleeting AS SELECT generate_series(1, 1000) n")
		c.Exec("VACUUM")
		c.Exec("CHECKPOINT")
		for _, junk := range []string{"base/pgsql_tmp/x", "pgsql_tmp17", "base/5/t3_12345", "base/5/t3_12345_fsm.1", "pg_stat_tmp/x", "pg_notify/0000", "backup_label", "pg_dynshmem/x", "kept.conf"} {
			junk = filepath.Join(c.Data, junk)
			if err := os.MkdirAll(filepath.Dir(junk), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := pgcluster.Own(c.Data); err != nil {
			t.Fatal(err)
		}
		r := newRepository(t)
		_, remote := take(t, r, c, postgres.Options{})
		l := takeLocal(t, r, c, nil, func(o *postgres.LocalOptions) { o.WithWAL = false })
		if added := l.receipt.Snapshot.Summary.DataAdded; added > 2<<20 {
			t.Errorf("the local way adds %d bytes to what the remote way stored", added)
		}
		a, b := namesIn(t, r, remote.Snapshot), namesIn(t, r, l.receipt.Snapshot)
		for name := range a {
			if !b[name] && name != "tablespace_map" { // which is empty
				t.Errorf("%s is missing", name)
			}
		}
		for name := range b {
			if !a[name] {
				t.Errorf("%s should have been left out", name)
			}
		}
		if !b["kept.conf"] {
			t.Error("kept.conf is missing")
		}
	})
}

func namesIn(t *testing.T, r *repository.Repository, s *snapshot.Snapshot) map[string]bool {
	t.Helper()
	target := filepath.Join(t.TempDir(), "data")
	restoreTo(t, r, s, target)
	names := map[string]bool{}
	err := filepath.WalkDir(target, func(path string, _ os.DirEntry, err error) error {
		names[strings.TrimPrefix(strings.TrimPrefix(path, target), "/")] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
