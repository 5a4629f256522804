package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/pitr"
	"holdfast/internal/snapfs"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/test/pgcluster"
)

// changed is a backup of what has changed, and what it took.
type changed struct {
	*backup.Receipt
	full           string
	read, readBack uint64
}

// takeChanged backs up what has changed since a snapshot; nil for a full one.
func takeChanged(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, since *snapshot.Snapshot) changed {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := postgres.Options{DSN: c.DSN(), Root: "shop", WithWAL: true, Warn: func(message string) { t.Log(message) }}
	if since != nil {
		earlier, err := backup.OpenRecorded(t.Context(), r, since, "shop")
		if err != nil {
			t.Fatal(err)
		}
		o.Earlier = earlier
	}
	src, err := postgres.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	progress := new(backup.Progress)
	bo := backup.Options{
		Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}}, Progress: progress,
	}
	if since != nil && src.Full == "" {
		bo.Type, bo.Parent = snapshot.Incremental, since
	}
	receipt, err := backup.RunArrivals(t.Context(), r, src, bo, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := receipt.Snapshot.Summary
	t.Logf("%s of %d bytes: %d read, %d read back, %d new (%d stored); files %d new, %d changed, %d unchanged", receipt.Type, s.TotalBytesProcessed,
		progress.BytesRead.Load(), progress.ReadBack.Load(), s.DataAdded, s.DataAddedPacked, s.FilesNew, s.FilesChanged, s.FilesUnmodified)
	return changed{receipt, src.Full, progress.BytesRead.Load() - logBytes(t, r, receipt.Snapshot), progress.ReadBack.Load()}
}

// logBytes returns how much WAL a snapshot has along with it.
func logBytes(t *testing.T, r *repository.Repository, s *snapshot.Snapshot) (bytes uint64) {
	t.Helper()
	files, err := snapfs.Open(t.Context(), r, s.Tree)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := files.Lookup(t.Context(), "/shop/pg_wal")
	if err != nil {
		t.Fatal(err)
	}
	list, err := files.ReadDir(t.Context(), folder)
	for _, n := range list {
		bytes += n.Size
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// summarizing makes a cluster of version 17 that can tell what has changed, and
// leaves its pages alone.
func summarizing(t *testing.T, settings ...string) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.New(t, pgcluster.Versions(t)[17], append([]string{"summarize_wal = on", "autovacuum = off", "bgwriter_lru_maxpages = 0"}, settings...)...)
}

// verified restores a snapshot and has PostgreSQL's own programs look at it:
// every file is as the manifest says, every page matches its checksum.
func verified(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, s *snapshot.Snapshot) (data string) {
	t.Helper()
	data = filepath.Join(pgcluster.Folder(t), "data")
	restoreTo(t, r, s, data)
	pgcluster.Run(t, filepath.Join(c.Bin, "pg_verifybackup"), data)
	return data
}

// started recovers a restored cluster, and looks into its tables and indexes.
func started(t *testing.T, c *pgcluster.Cluster, data string) *pgcluster.Cluster {
	t.Helper()
	if err := pitr.WriteTablespaceMap(data, nil); err != nil {
		t.Fatal(err)
	}
	restored := pgcluster.Attach(t, c.Bin, data)
	restored.Configure("allow_in_place_tablespaces = on")
	restored.Start()
	for deadline := time.Now().Add(time.Minute); restored.Query("SELECT pg_is_in_recovery()") != "f"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the recovery does not end")
		}
	}
	restored.Exec("CREATE EXTENSION IF NOT EXISTS amcheck")
	pgcluster.Run(t, filepath.Join(c.Bin, "pg_amcheck"), "-h", "127.0.0.1", "-p", fmt.Sprint(restored.Port), "-U", "postgres", "--all", "--heapallindexed")
	return restored
}

// sound stops a restored cluster and checks all of its pages.
func sound(t *testing.T, restored *pgcluster.Cluster) {
	t.Helper()
	restored.Stop()
	pgcluster.Run(t, filepath.Join(restored.Bin, "pg_checksums"), "--check", "-D", restored.Data)
}

// Whatever happens to relations between two backups, the second one is the
// cluster as it is: what a full backup has, and pg_combinebackup makes of the
// same two.
func TestChanged(t *testing.T) {
	t.Parallel()
	c := summarizing(t)
	place := filepath.Join(pgcluster.Folder(t), "space")
	if err := errors.Join(os.Mkdir(place, 0o700), pgcluster.Own(place)); err != nil {
		t.Fatal(err)
	}
	c.Exec(`CREATE TABLE clustered AS SELECT n, md5(n::text) AS v FROM generate_series(1, 160000) n;
		CREATE INDEX ON clustered (n);
		CREATE TABLE random AS SELECT n, md5(n::text) AS v FROM generate_series(1, 120000) n;
		CREATE TABLE same AS SELECT n, md5(n::text) AS v FROM generate_series(1, 50000) n;
		CREATE TABLE grows AS SELECT n, md5(n::text) AS v FROM generate_series(1, 100000) n;
		CREATE TABLE shrinks AS SELECT n, md5(n::text) AS v FROM generate_series(1, 160000) n;
		CREATE TABLE shortened AS SELECT n, md5(n::text) AS v FROM generate_series(1, 50000) n;
		CREATE TABLE emptied AS SELECT n FROM generate_series(1, 10000) n;
		CREATE TABLE rewritten AS SELECT n, md5(n::text) AS v FROM generate_series(1, 20000) n;
		CREATE TABLE dropped AS SELECT n FROM generate_series(1, 10000) n;
		CREATE TABLE empty (n int)`)
	c.Exec("CREATE DATABASE goes")
	r := newRepository(t)
	first := takeChanged(t, r, c, nil)

	c.Exec(`UPDATE clustered SET v = 'changed' WHERE n BETWEEN 100000 AND 108000;
		UPDATE random SET v = upper(v) WHERE n % 1000 = 0;
		INSERT INTO grows SELECT n, md5(n::text) FROM generate_series(100001, 160000) n;
		DELETE FROM shrinks WHERE n > 20000; DELETE FROM shortened WHERE n > 40000;
		TRUNCATE emptied; INSERT INTO emptied VALUES (1);
		DROP TABLE dropped; CREATE TABLE dropped AS SELECT -n AS n FROM generate_series(1, 3000) n;
		INSERT INTO empty VALUES (7)`)
	c.Exec("VACUUM shrinks")
	c.Exec("VACUUM shortened")
	c.Exec("INSERT INTO shortened SELECT -n, md5(n::text) FROM generate_series(1, 1000) n")
	c.Exec("VACUUM FULL rewritten")
	c.Exec("DROP DATABASE goes")
	c.Exec("CREATE DATABASE logged STRATEGY wal_log")
	c.Exec("CREATE DATABASE copied STRATEGY file_copy")
	c.Exec("CREATE TABLESPACE fast LOCATION '" + place + "'")
	c.Exec("CREATE TABLE placed TABLESPACE fast AS SELECT n FROM generate_series(1, 5000) n")
	c.Exec("CHECKPOINT")
	truth := truthOf(c)
	second := takeChanged(t, r, c, first.Snapshot)
	if second.full != "" || second.Type != snapshot.Incremental {
		t.Fatalf("a %s backup: %s", second.Type, second.full)
	}

	whole := takeChanged(t, r, c, nil)
	// Each backup has a label, pg_control, a manifest and WAL of its own, which
	// is mostly zeros.
	if added := whole.Snapshot.Summary.DataAdded; added > 8<<20 {
		t.Errorf("a full backup of the same state adds %d bytes", added)
	}
	sameFiles(t, r, second.Snapshot, whole.Snapshot)
	data := verified(t, r, c, second.Snapshot)
	combined := combine(t, r, c, first.Snapshot)
	sameRelations(t, data, combined)

	restored := started(t, c, data)
	if got := truthOf(restored); got != truth {
		t.Errorf("the restored cluster has\n%s\nwant\n%s", got, truth)
	}
	sound(t, restored)
}

// One after the other, and since one long before, each is whole by itself.
func TestChangedInARow(t *testing.T) {
	t.Parallel()
	c := summarizing(t)
	c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) AS v FROM generate_series(1, 100000) n; CREATE INDEX ON numbers (n)")
	r := newRepository(t)
	taken := []changed{takeChanged(t, r, c, nil)}
	truths := []string{truthOf(c)}
	for k := range 3 {
		c.Exec(fmt.Sprintf("UPDATE numbers SET v = 'run %d' WHERE n BETWEEN %d AND %d", k, k*1000, k*1000+500))
		c.Exec(fmt.Sprintf("INSERT INTO numbers SELECT -n, 'new' FROM generate_series(1, %d) n", 10000*k))
		truths = append(truths, truthOf(c))
		taken = append(taken, takeChanged(t, r, c, taken[k].Snapshot))
	}
	truths = append(truths, truths[3])
	taken = append(taken, takeChanged(t, r, c, taken[0].Snapshot))
	for k, b := range taken[1:] {
		if s := b.Snapshot.Summary; s.FilesChanged > 40 || s.FilesUnmodified < 900 {
			t.Errorf("backup %d: %d files changed, and %d did not", k+1, s.FilesChanged, s.FilesUnmodified)
		}
		if b.full != "" || b.read > b.Snapshot.Summary.TotalBytesProcessed/4 || b.readBack > b.read {
			t.Errorf("backup %d (%q): %d bytes were read, %d read back", k+1, b.full, b.read, b.readBack)
		}
	}
	for _, k := range []int{1, 3, 4} {
		b := taken[k]
		restored := started(t, c, verified(t, r, c, b.Snapshot))
		if got := truthOf(restored); got != truths[k] {
			t.Errorf("backup %d: the restored cluster has\n%s\nwant\n%s", k, got, truths[k])
		}
		sound(t, restored)
	}
}

// While a cluster is written to, changes are taken of pages that are being
// written, relations come and go, and each backup comes back.
func TestChangedUnderLoad(t *testing.T) {
	t.Parallel()
	c := summarizing(t, "shared_buffers = 2MB", "full_page_writes = on") // pages are written all the time
	c.Exec("CREATE TABLE numbers AS SELECT n, 0 AS v FROM generate_series(1, 100000) n; CREATE INDEX ON numbers (n); CREATE TABLE log (n bigserial, v text)")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			default:
			}
			c.Exec(fmt.Sprintf(`UPDATE numbers SET v = v + 1 WHERE n %% 97 = %d; INSERT INTO log (v) SELECT 'run %d' FROM generate_series(1, 100);
				DELETE FROM log WHERE n %% 3 = %d; DROP TABLE IF EXISTS t%d; CREATE TABLE t%d AS SELECT %d AS k FROM generate_series(1, 2000)`, k%97, k, k%3, k%5, k%5, k))
			if k%10 == 9 {
				c.Exec("VACUUM log")
			}
		}
	}()
	r := newRepository(t)
	last := takeChanged(t, r, c, nil)
	for range 3 {
		next := takeChanged(t, r, c, last.Snapshot)
		if next.full != "" {
			t.Errorf("a full backup: %s", next.full)
		}
		last = next
	}
	close(stop)
	<-ended
	restored := started(t, c, verified(t, r, c, last.Snapshot))
	if got := restored.Query("SELECT count(*) || ' ' || count(DISTINCT n) FROM numbers"); got != "100000 100000" {
		t.Errorf("the restored table has %s rows", got)
	}
	sound(t, restored)
}

// Relations of more than 1 GiB have several files. What was cut off one of
// them, or off all behind it, does not come back.
func TestChangedSegments(t *testing.T) {
	if os.Getenv("HOLDFAST_SOAK") == "" {
		t.Skip("HOLDFAST_SOAK=1 makes relations of more than 1 GiB")
	}
	c := summarizing(t, "max_wal_size = 8GB")
	c.Exec("CREATE TABLE big AS SELECT n, repeat('x', 950) AS v FROM generate_series(1, 1150000) n")
	c.Exec("VACUUM (FREEZE) big")
	const truth = "SELECT count(*) || ' ' || sum(n) || ' ' || sum(length(v)) || ' ' || pg_relation_size('big') FROM big"
	r := newRepository(t)
	last := takeChanged(t, r, c, nil)
	for _, change := range []string{
		"UPDATE big SET v = 'short' WHERE n % 20000 = 0; DELETE FROM big WHERE n > 1100000", // within the second file
		"DELETE FROM big WHERE n > 900000",                                                  // all of the second file, and of the first
		"INSERT INTO big SELECT n, repeat('y', 950) FROM generate_series(2000000, 2300000) n",
	} {
		c.Exec(change)
		c.Exec("VACUUM big")
		want := c.Query(truth)
		if last = takeChanged(t, r, c, last.Snapshot); last.full != "" {
			t.Fatalf("a full backup: %s", last.full)
		}
		restored := started(t, c, verified(t, r, c, last.Snapshot))
		if got := restored.Query(truth); got != want {
			t.Errorf("after %s: the restored table has %s, want %s", change, got, want)
		}
		sound(t, restored)
		if err := os.RemoveAll(restored.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// When changes cannot be had a full backup is made, and says why.
func TestChangedRefused(t *testing.T) {
	for name, test := range map[string]struct {
		version  int
		settings string
		between  func(t *testing.T, c *pgcluster.Cluster)
		why      string
	}{
		"old server":     {version: 15, why: "PostgreSQL 15 cannot send only what has changed"},
		"no summaries":   {version: 17, why: "set summarize_wal = on"},
		"summaries lost": {version: 17, settings: "summarize_wal = on", why: "summaries for that timeline and LSN range are incomplete", between: losesSummaries},
		"timeline": {version: 17, settings: "summarize_wal = on", why: "the server is on timeline 2", between: func(t *testing.T, c *pgcluster.Cluster) {
			c.Stop()
			if err := errors.Join(os.WriteFile(filepath.Join(c.Data, "standby.signal"), nil, 0o600), pgcluster.Own(c.Data)); err != nil {
				t.Fatal(err)
			}
			c.Start()
			c.Promote()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := pgcluster.New(t, pgcluster.Versions(t)[test.version], test.settings)
			r := newRepository(t)
			first := takeChanged(t, r, c, nil)
			if test.between != nil {
				test.between(t, c)
			}
			second := takeChanged(t, r, c, first.Snapshot)
			if second.Type != snapshot.Full || !strings.Contains(second.full, test.why) {
				t.Errorf("a %s backup, because %q", second.Type, second.full)
			}
			pgcluster.Run(t, filepath.Join(pgcluster.Versions(t)[17], "pg_verifybackup"), "-n", restored(t, r, second.Snapshot))
		})
	}
}

func restored(t *testing.T, r *repository.Repository, s *snapshot.Snapshot) string {
	t.Helper()
	data := filepath.Join(pgcluster.Folder(t), "data")
	restoreTo(t, r, s, data)
	return data
}

// losesSummaries removes the summaries of what has changed so far, and the WAL
// they could be made of again.
func losesSummaries(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	c.Exec("CREATE TABLE numbers AS SELECT generate_series(1, 1000) n")
	for range 3 {
		c.Exec("SELECT pg_switch_wal()")
		c.Exec("CHECKPOINT")
	}
	c.Stop()
	found, err := filepath.Glob(filepath.Join(c.Data, "pg_wal/summaries/*.summary"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	c.Start()
}

// truthOf sums up all tables.
func truthOf(c *pgcluster.Cluster) string {
	var sums []string
	for _, table := range strings.Fields(c.Query("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")) {
		sums = append(sums, c.Query(fmt.Sprintf("SELECT '%s: ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM %s t", table, table)))
	}
	return strings.Join(append(sums, c.Query("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database")), "\n")
}

// sameFiles makes sure that the relations of two snapshots are cut into the
// same blobs.
func sameFiles(t *testing.T, r *repository.Repository, a, b *snapshot.Snapshot) {
	t.Helper()
	relations := func(s *snapshot.Snapshot) map[string]string {
		files := map[string]string{}
		top, err := snapfs.Open(t.Context(), r, s.Tree)
		if err == nil {
			err = top.Walk(t.Context(), "/", top.Root(), func(path string, n *tree.Node, err error) error {
				if n.Type == tree.File && (strings.Contains(path, "/base/") || strings.Contains(path, "/PG_17_")) {
					files[path] = fmt.Sprint(n.Size, n.Content)
				}
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	composed, full := relations(a), relations(b)
	for path, content := range composed {
		if full[path] != content {
			t.Errorf("%s is %.60s in one backup and %.60s in the other", path, content, full[path])
		}
	}
	if len(composed) != len(full) || len(full) < 500 {
		t.Errorf("%d and %d files", len(composed), len(full))
	}
}

// combine has PostgreSQL's own programs take and combine backups.
func combine(t *testing.T, r *repository.Repository, c *pgcluster.Cluster, first *snapshot.Snapshot) (combined string) {
	t.Helper()
	dir := pgcluster.Folder(t)
	full, changes, combined := filepath.Join(dir, "full"), filepath.Join(dir, "changes"), filepath.Join(dir, "combined")
	restoreTo(t, r, first, full)
	pgcluster.Run(t, filepath.Join(c.Bin, "pg_basebackup"), "-d", c.DSN(), "-D", changes, "-c", "fast", "-X", "none",
		"--incremental="+filepath.Join(full, "backup_manifest"), "--tablespace-mapping="+spaceOf(c)+"="+filepath.Join(dir, "space-changes"))
	pgcluster.Run(t, filepath.Join(c.Bin, "pg_combinebackup"), full, changes, "-o", combined,
		"--tablespace-mapping="+filepath.Join(dir, "space-changes")+"="+filepath.Join(dir, "space-combined"))
	return combined
}

func spaceOf(c *pgcluster.Cluster) string {
	return c.Query("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'")
}

// sameRelations compares the databases of two data directories.
func sameRelations(t *testing.T, a, b string) {
	t.Helper()
	count := 0
	for _, folder := range []string{"base", "pg_tblspc"} {
		err := filepath.WalkDir(filepath.Join(a, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			below, err := filepath.Rel(a, path)
			if err != nil {
				return err
			}
			one, err1 := os.ReadFile(path)
			two, err2 := os.ReadFile(filepath.Join(b, below))
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if count++; !bytes.Equal(one, two) {
				t.Errorf("%s differs: %d and %d bytes", below, len(one), len(two))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files of relations are the same", count)
}
