package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/backup"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
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

// settle waits until everything that is on disk is older than the time within
// which the times of files prove nothing.
func settle(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	c.Exec("VACUUM")
	c.Exec("CHECKPOINT")
	time.Sleep(2500 * time.Millisecond) //nolint:forbidigo // the clock of the file system is what is waited for
}

// An incremental backup reads what has changed, and nothing else; it restores
// alone. A change that leaves size and time of a file as they were is seen.
func TestLocalIncremental(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, "autovacuum = off")
		c.Exec("CREATE TABLE still AS SELECT n, md5(n::text) FROM generate_series(1, 400000) n")
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 1000) n; CREATE INDEX ON numbers (n)")
		c.Exec("CREATE UNLOGGED TABLE fleeting AS SELECT generate_series(1, 100000) n")
		settle(t, c)
		r := newRepository(t)
		full := takeLocal(t, r, c, nil)
		if full.System == "" || full.Timeline != 1 || full.Start == 0 || full.End <= full.Start || full.Damaged || full.TotalBytes == 0 || full.warnings != "" {
			t.Errorf("the backup is described as %+v, with warnings %q", full.About(), full.warnings)
		}
		c.Exec("UPDATE numbers SET md5 = 'changed'; CREATE TABLE later AS SELECT generate_series(1, 1000) n")

		// As a program does that writes and puts the time back.
		sneaky := filepath.Join(c.Data, "base", "1", "PG_VERSION")
		info, err := os.Stat(sneaky)
		if err != nil {
			t.Fatal(err)
		}
		was, err := os.ReadFile(sneaky)
		if err != nil {
			t.Fatal(err)
		}
		now := append([]byte{'0'}, was[1:]...)
		if err := errors.Join(os.WriteFile(sneaky, now, 0o600), os.Chtimes(sneaky, info.ModTime(), info.ModTime())); err != nil {
			t.Fatal(err)
		}
		next := takeLocal(t, r, c, full.receipt.Snapshot)
		read, all := next.progress.BytesRead.Load(), next.progress.Bytes.Load()
		t.Logf("read %d bytes of %d, %d of %d files", read, all, next.progress.FilesNew.Load()+next.progress.FilesChanged.Load(), next.progress.Files())
		if next.why != "" || read > all/2 || next.receipt.Snapshot.Type() != snapshot.Incremental {
			t.Errorf("it read %d bytes of %d, because %q", read, all, next.why)
		}
		target := filepath.Join(pgcluster.Folder(t), "data")
		restoreTo(t, r, next.receipt.Snapshot, target)
		if got, err := os.ReadFile(filepath.Join(target, "base", "1", "PG_VERSION")); err != nil || string(got) != string(now) {
			t.Errorf("a change behind the back of the times was missed: %q, %v", got, err)
		}
		if err := os.WriteFile(sneaky, was, 0o600); err != nil {
			t.Fatal(err)
		}
		next = takeLocal(t, r, c, next.receipt.Snapshot)
		proveRestored(t, r, next.receipt.Snapshot, bin, "SELECT (SELECT count(*) FROM still) || ' ' || (SELECT max(md5) FROM numbers) || ' ' || (SELECT count(*) FROM later) || ' ' || (SELECT count(*) FROM fleeting)", "400000 changed 1000 0")

		// What was taken through the server says nothing of files on disk.
		_, remote := take(t, r, c, postgres.Options{})
		if l := takeLocal(t, r, c, remote.Snapshot); !strings.Contains(l.why, "through the server") || l.progress.FilesUnmodified.Load() > 0 {
			t.Errorf("compared with a backup taken through the server, because %q", l.why)
		}
	})
}

// What the checkpoint has just written is read last, when its times are old
// enough for the next backup to take it over.
func TestLocalReadsWhatChangedLast(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, "autovacuum = off")
		place := filepath.Join(pgcluster.Folder(t), "space")
		if err := errors.Join(os.Mkdir(place, 0o700), pgcluster.Own(filepath.Dir(place))); err != nil {
			t.Fatal(err)
		}
		c.Exec("CREATE TABLESPACE fast LOCATION '" + place + "'")
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 200000) n")
		c.Exec("CREATE TABLE elsewhere TABLESPACE fast AS SELECT generate_series(1, 100000) n")
		r := newRepository(t)
		twice := func(settleBytes int64) (full, next *local, read uint64) {
			c.Exec("VACUUM")
			c.Exec("CHECKPOINT")
			edit := func(o *postgres.LocalOptions) { o.SettleBytes, o.WithWAL = settleBytes, false }
			begun := time.Now()
			full = takeLocal(t, r, c, nil, edit)
			if start := full.receipt.Snapshot.Summary.BackupStart; start.Before(begun) || start.After(full.receipt.Snapshot.Summary.BackupEnd) {
				t.Errorf("the backup began at %v, was told to have begun at %v and to end at %v", begun, start, full.receipt.Snapshot.Summary.BackupEnd)
			}
			next = takeLocal(t, r, c, full.receipt.Snapshot, edit)
			return full, next, next.progress.BytesRead.Load()
		}
		c.Exec("UPDATE numbers SET md5 = 'one'; UPDATE elsewhere SET n = n + 1")
		_, _, hasty := twice(1 << 40)
		c.Exec("UPDATE numbers SET md5 = 'two'; UPDATE elsewhere SET n = n + 1")
		full, next, read := twice(1)
		t.Logf("of %d bytes the next backup read %d, and %d where nothing was read last", next.progress.Bytes.Load(), read, hasty)
		if hasty < 10<<20 || read > hasty/10 {
			t.Errorf("the next backup read %d bytes, and %d where nothing was read last", read, hasty)
		}
		again := namesIn(t, r, next.receipt.Snapshot)
		for name := range namesIn(t, r, full.receipt.Snapshot) {
			if !again[name] {
				t.Errorf("%s is missing from the next backup", name)
			}
		}
		data := filepath.Join(pgcluster.Folder(t), "data")
		restoreTo(t, r, next.receipt.Snapshot, data)
		pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), "--no-parse-wal", data)
	})
}

// While the server is written to all the time, tables come and go, and the log
// is recycled.
func TestLocalUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes minutes of it; the other tests of the local way run under it")
	}
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, "max_wal_size = 32MB", "min_wal_size = 32MB", "checkpoint_timeout = 30s")
		c.Exec("CREATE TABLE numbers (n int PRIMARY KEY, v int)")
		c.Exec("INSERT INTO numbers SELECT n, 0 FROM generate_series(1, 20000) n")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- write(ctx, c.DSN()) }()
		r := newRepository(t)
		var last *local
		for range 2 {
			var earlier *snapshot.Snapshot
			if last != nil {
				earlier = last.receipt.Snapshot
			}
			last = takeLocal(t, r, c, earlier, func(o *postgres.LocalOptions) { o.BytesPerSecond = 32 << 20 })
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if last.Damaged {
			t.Errorf("pages are called damaged:\n%s", last.warnings)
		}
		// Each update is of all rows: they have one value, whatever it is.
		proveRestored(t, r, last.receipt.Snapshot, bin, "SELECT count(*) || ' ' || count(DISTINCT v) FROM numbers", "20000 1")
	})
}

// writePause keeps the log of a slow test from filling the disk: the slot that
// a backup looks for its server by holds all of it.
const writePause = 50 * time.Millisecond

// write changes rows, and makes, fills and drops tables, until it is stopped.
func write(ctx context.Context, dsn string) error {
	conn, err := pgconn.Connect(context.WithoutCancel(ctx), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for k := 2; ctx.Err() == nil; k++ {
		sql := fmt.Sprintf("UPDATE numbers SET v = v + 1; CREATE TABLE t%d AS SELECT * FROM numbers; DROP TABLE IF EXISTS t%d; TRUNCATE t%d", k, k-2, k)
		if _, err := conn.Exec(context.WithoutCancel(ctx), sql).ReadAll(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(writePause):
		}
	}
	return nil
}

// A standby is backed up as a primary is. Its data directory is told from that
// of its primary, which is of the same cluster.
func TestLocalStandby(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 50000) n")
		standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		pgcluster.Run(t, filepath.Join(bin, "pg_basebackup"), "-D", standby.Data, "-d", c.DSN(), "-R", "-X", "stream", "-c", "fast")
		standby.Start()
		c.Exec("CREATE TABLE later AS SELECT generate_series(1, 1000) n; CHECKPOINT")
		waitReplayed(t, c, standby)
		r := newRepository(t)
		l := takeLocal(t, r, standby, nil)
		target := filepath.Join(pgcluster.Folder(t), "data")
		restoreTo(t, r, l.receipt.Snapshot, target)
		pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), target)
		if err := os.Remove(filepath.Join(target, "standby.signal")); err != nil {
			t.Fatal(err)
		}
		restored := pgcluster.Attach(t, bin, target)
		restored.Start()
		if got := restored.Query("SELECT (SELECT count(*) FROM numbers) || ' ' || (SELECT count(*) FROM later)"); got != "50000 1000" {
			t.Errorf("the restored cluster has %s rows", got)
		}

		options := localOptions(standby)
		options.DataDirectory = c.Data
		if _, err := postgres.StartLocal(t.Context(), options); err == nil || !strings.Contains(err.Error(), "it is a clone") || !strings.Contains(err.Error(), standby.Data) {
			t.Errorf("the data directory of its primary is taken for a standby's: %v", err)
		}
		other := pgcluster.New(t, bin)
		options.DataDirectory = other.Data
		if _, err := postgres.StartLocal(t.Context(), options); err == nil || !strings.Contains(err.Error(), "it is of cluster") {
			t.Errorf("another cluster's data directory: %v", err)
		}
		options.DataDirectory = t.TempDir()
		if _, err := postgres.StartLocal(t.Context(), options); err == nil || !strings.Contains(err.Error(), "data_directory") {
			t.Errorf("an empty data directory: %v", err)
		}
		standby.Promote()
		if l := takeLocal(t, r, standby, nil); l.Timeline != 2 {
			t.Errorf("after its promotion the standby is on timeline %d", l.Timeline)
		}
	})
}

// waitReplayed waits until a standby has all that its primary has.
func waitReplayed(t *testing.T, c, standby *pgcluster.Cluster) {
	t.Helper()
	at := c.Query("SELECT pg_current_wal_lsn()")
	for deadline := time.Now().Add(2 * time.Minute); standby.Query("SELECT pg_last_wal_replay_lsn() >= '"+at+"'") != "t"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the standby does not catch up")
		}
	}
}

// Tablespaces outside of the data directory come along.
func TestLocalTablespaces(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		place := filepath.Join(pgcluster.Folder(t), "space")
		if err := errors.Join(os.Mkdir(place, 0o700), pgcluster.Own(filepath.Dir(place))); err != nil {
			t.Fatal(err)
		}
		c.Exec("CREATE TABLESPACE fast LOCATION '" + place + "'")
		c.Exec("CREATE TABLE numbers TABLESPACE fast AS SELECT generate_series(1, 100000) n")
		c.Exec("CREATE UNLOGGED TABLE fleeting TABLESPACE fast AS SELECT generate_series(1, 100000) n")
		settle(t, c)
		r := newRepository(t)
		l := takeLocal(t, r, c, nil)
		if len(l.Tablespaces) != 1 || l.Tablespaces[0].Location != place {
			t.Fatalf("tablespaces %+v, want one at %s", l.Tablespaces, place)
		}
		next := takeLocal(t, r, c, l.receipt.Snapshot)
		if read := next.progress.BytesRead.Load(); read > 40<<20 { // most of it log
			t.Errorf("a second backup without changes read %d bytes", read)
		}
		for _, s := range []*snapshot.Snapshot{l.receipt.Snapshot, next.receipt.Snapshot} {
			data := filepath.Join(pgcluster.Folder(t), "data")
			restoreTo(t, r, s, data)
			pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), data)
			spaces, err := filepath.Glob(filepath.Join(data, "pg_tblspc", "*", "PG_*", "*", "*"))
			if err != nil || len(spaces) != 4 { // three forks of numbers, and the init fork of fleeting
				t.Errorf("in the tablespace there are %q, %v", spaces, err)
			}
		}
	})
}

// A backup that would lack a tablespace or a database is none: its folder is not to
// be seen from here, or lies behind a symlink. A tablespace that is dropped while
// the files are read is not missing.
func TestLocalLacking(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		place := filepath.Join(pgcluster.Folder(t), "space")
		if err := errors.Join(os.Mkdir(place, 0o700), pgcluster.Own(filepath.Dir(place))); err != nil {
			t.Fatal(err)
		}
		c.Exec("CREATE TABLESPACE fast LOCATION '" + place + "'")
		c.Exec("CREATE TABLE numbers TABLESPACE fast AS SELECT generate_series(1, 100) n")
		c.Exec("CREATE DATABASE shop")
		c.Exec("CHECKPOINT")
		run := func(r *repository.Repository, meanwhile func(read string)) error {
			if err := r.LoadIndex(t.Context()); err != nil {
				t.Fatal(err)
			}
			l, err := postgres.StartLocal(t.Context(), localOptions(c))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			o := backup.Options{Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}}}
			_, err = backup.RunArrivals(t.Context(), r, &watched{Local: l, seen: meanwhile}, o, nil)
			return err
		}
		nothing := func(string) {}
		r := newRepository(t)
		rename := func(from, to string) {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}

		rename(place, place+".away")
		if err := run(r, nothing); err == nil || !strings.Contains(err.Error(), place) || !strings.Contains(err.Error(), "data_directory") {
			t.Errorf("a tablespace that is not to be seen from here: %v", err)
		}
		rename(place+".away", place)

		database := filepath.Join(c.Data, "base", c.Query("SELECT oid FROM pg_database WHERE datname = 'shop'"))
		elsewhere := filepath.Join(filepath.Dir(place), "elsewhere")
		c.Stop()
		rename(database, elsewhere)
		if err := os.Symlink(elsewhere, database); err != nil {
			t.Fatal(err)
		}
		c.Start()
		if err := run(r, nothing); err == nil || !strings.Contains(err.Error(), database+" is a symlink") {
			t.Errorf("a database behind a symlink: %v", err)
		}
		sent, err := postgres.Start(t.Context(), postgres.Options{DSN: c.DSN(), Root: "shop", WithWAL: true})
		if err != nil {
			t.Fatal(err)
		}
		defer sent.Close()
		_, err = backup.RunArrivals(t.Context(), r, sent, backup.Options{Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}}}, nil)
		if err == nil || !strings.Contains(err.Error(), filepath.Base(database)+" is a symlink") {
			t.Errorf("a database behind a symlink, as the server sends it: %v", err)
		}
		if found, err := r.Snapshots(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("snapshots %v, %v", found, err)
		}
		c.Stop()
		rename(database, elsewhere+".link")
		rename(elsewhere, database)
		c.Start()

		var dropped bool
		err = run(r, func(read string) { // the link of the tablespace has been read by then
			if strings.HasSuffix(read, "/pg_twophase") && !dropped {
				dropped = true
				c.Exec("DROP TABLE numbers; CHECKPOINT")
				c.Exec("DROP TABLESPACE fast")
			}
		})
		if err != nil || !dropped {
			t.Errorf("a tablespace that is dropped meanwhile: %v, dropped: %t", err, dropped)
		}
	})
}

// watched is a backup that tells of what is read.
type watched struct {
	*postgres.Local
	seen func(path string)
}

func (w *watched) Next(ctx context.Context) (*source.Arrival, error) {
	a, err := w.Local.Next(ctx)
	if a != nil {
		w.seen(a.Path)
	}
	return a, err
}

// Damaged pages are told by relation and block, and the backup says so.
func TestLocalDamaged(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE DATABASE shop")
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 10000) n")
		c.Exec("VACUUM")
		name := c.Query("SELECT pg_relation_filepath('numbers')")
		c.Stop()
		spoil(t, filepath.Join(c.Data, name), 5)
		spoil(t, filepath.Join(c.Data, name+"_fsm"), 1)
		c.Start()
		r := newRepository(t)
		l := takeLocal(t, r, c, nil)
		if !l.Damaged {
			t.Error("it does not say that it is damaged")
		}
		for _, want := range []string{"block 5 of numbers of database postgres (file " + name + ")", "block 1 of numbers (fsm)"} {
			if !strings.Contains(l.warnings, want) {
				t.Errorf("the warnings do not name %s:\n%s", want, l.warnings)
			}
		}
	})
}

// spoil changes a bit in a page of a file.
func spoil(t *testing.T, file string, block int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], block*8192+4000); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], block*8192+4000); err != nil {
		t.Fatal(err)
	}
}

// A server that ends, or ends the session, ends the backup: there is no
// snapshot. One that is given up leaves nothing behind on the server.
func TestLocalCutShort(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n")
		full := fault.Rule{Op: fault.OpPut, Prefix: "data/", Fault: fault.Before(syscall.ENOSPC)}
		r := newRepositoryOn(t, fault.New(mem.New(), 1, full))
		if err := r.LoadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		run := func(meanwhile func()) error {
			l, err := postgres.StartLocal(t.Context(), localOptions(c))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			meanwhile()
			_, err = backup.RunArrivals(t.Context(), r, l, backup.Options{Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}}}, nil)
			return err
		}
		for name, meanwhile := range map[string]func(){
			"session ended": func() {
				c.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast backup'")
			},
			"server killed": func() { c.Kill(); waitEnded(t, c); c.Start() },
			"restarted":     func() { c.Stop(); c.Start() },
		} {
			if err := run(meanwhile); err == nil || !strings.Contains(err.Error(), "run it again") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := run(func() {}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the repository's disk is full: %v", err)
		}
		if found, err := r.Snapshots(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("snapshots %v, %v", found, err)
		}
		waitGone(t, c)
	})
}

// waitEnded waits until no process of a server is left: each is in its data
// directory.
func waitEnded(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		folders, err := filepath.Glob("/proc/[0-9]*/cwd")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(folders, func(f string) bool {
			at, err := os.Readlink(f)
			return err == nil && at == c.Data
		}) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("processes of the server are left")
		}
	}
}

// waitGone waits until a server has no slot any more, and no backup running.
func waitGone(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); c.Query("SELECT count(*) FROM pg_replication_slots") != "0"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a replication slot is left behind")
		}
	}
	if _, err := os.Stat(filepath.Join(c.Data, "backup_label")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a backup label is left behind: %v", err)
	}
	c.Stop() // a backup under way would hold up a smart shutdown; a fast one ends it
	c.Start()
	c.Exec("SELECT 1")
}
