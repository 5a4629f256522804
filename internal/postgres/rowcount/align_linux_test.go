package rowcount

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"holdfast/internal/postgres"
	"holdfast/test/pgcluster"
)

// load runs pgbench with some clients that commit as fast as they can.
func load(t *testing.T, c *pgcluster.Cluster, clients int, databases ...string) {
	t.Helper()
	for _, name := range databases {
		pgcluster.Run(t, filepath.Join(c.Bin, "pgbench"), "-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", strconv.Itoa(c.Port), "-U", "postgres", name)
		cmd := pgcluster.Command(filepath.Join(c.Bin, "pgbench"), "-n", "-N", "-c", strconv.Itoa(clients), "-T", "600", "-h", "127.0.0.1", "-p", strconv.Itoa(c.Port), "-U", "postgres", name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill() //nolint:errcheck // it may have ended
			cmd.Wait()         //nolint:errcheck // it is killed
		})
	}
}

// committed matches a commit as pg_waldump tells it.
var committed = regexp.MustCompile(`tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), prev [^ ]+, desc: COMMIT `)

// commitsOf asks pg_waldump.
func commitsOf(t *testing.T, c *pgcluster.Cluster, from, to postgres.LSN) (list []ended) {
	t.Helper()
	out := pgcluster.Run(t, filepath.Join(c.Bin, "pg_waldump"), "-p", filepath.Join(c.Data, "pg_wal"), "-r", "Transaction", "-s", from.String(), "-e", to.String())
	for _, found := range committed.FindAllStringSubmatch(out, -1) {
		xid, err := strconv.ParseUint(found[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		at, err := postgres.ParseLSN(found[2])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ended{at: at, xid: uint32(xid)})
	}
	return list
}

func lsn(t *testing.T, c *pgcluster.Cluster, sql string) postgres.LSN {
	t.Helper()
	at, err := postgres.ParseLSN(c.Query(sql))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// While many commit, the moment of the counts has its place in the log: what
// pg_waldump finds before it is seen, and what it finds behind it is not.
func TestAlignedUnderLoad(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, "fsync = on", "max_wal_senders = 4", "wal_keep_size = 1GB")
		c.Exec("CREATE DATABASE other")
		load(t, c, 6, "postgres", "other")
		for range 5 {
			from := lsn(t, c, "SELECT pg_current_wal_insert_lsn()")
			began := time.Now()
			counts, err := Take(t.Context(), c.DSN(), Limits{TableBytes: 1})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			to := lsn(t, c, "SELECT pg_current_wal_flush_lsn()")
			list := commitsOf(t, c, from, to)
			before, behind := 0, 0
			for _, db := range counts.Databases {
				at, err := postgres.ParseLSN(db.LSN)
				if err != nil || db.Near {
					t.Fatalf("database %s is counted at %q, near: %t", db.Name, db.LSN, db.Near)
				}
				s, err := parseTransactionSnapshot(db.Snapshot)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					if e.at < at {
						before++
					} else {
						behind++
					}
					if s.sees(e.xid) != (e.at < at) {
						t.Errorf("%s at %s (%s): transaction %d, committed at %s: seen is %t", db.Name, db.LSN, db.Snapshot, e.xid, e.at, s.sees(e.xid))
					}
				}
			}
			t.Logf("%d commits before and %d behind, in %s", before, behind, took)
			if behind == 0 {
				t.Error("nothing was committed meanwhile: the test shows nothing")
			}
		}
	})
}

// What the log has is read as pg_waldump reads it, over the ends of pages and
// segments, some of which are not full.
func TestCommitsOfLog(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, "wal_keep_size = 1GB")
		c.Exec("CREATE TABLE t (n int, filler text)")
		from := lsn(t, c, "SELECT pg_current_wal_insert_lsn()")
		read, err := followCommits(t.Context(), c.DSN(), from)
		if err != nil {
			t.Fatal(err)
		}
		defer read.close()
		for n := 1; n <= 300; n++ {
			c.Exec(fmt.Sprintf("INSERT INTO t SELECT %d, repeat('x', %d) FROM generate_series(1, %d)", n, n*7, n))
			if n%100 == 50 {
				c.Exec("SELECT pg_switch_wal()")
			}
		}
		c.Exec("BEGIN; INSERT INTO t VALUES (1); ROLLBACK")
		to := lsn(t, c, "SELECT pg_current_wal_flush_lsn()")
		got, err := read.upTo(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		want := commitsOf(t, c, from, to)
		if len(want) != 300 || !slices.Equal(got, want) {
			t.Errorf("%d commits are found, and %d by pg_waldump", len(got), len(want))
		}
	})
}
