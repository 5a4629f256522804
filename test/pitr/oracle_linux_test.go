package pitr

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// moment is an instant at which the test knows what the table holds: all
// numbers up to n, and nothing else.
type moment struct {
	n    int
	lsn  string
	time string
}

// oracle writes numbered transactions and remembers them.
type oracle struct {
	t       *testing.T
	c       *pgcluster.Cluster
	moments []moment
}

// write commits some transactions of one row each, and remembers an instant
// after each.
func (o *oracle) write(count int) {
	o.t.Helper()
	for range count {
		n := len(o.moments) + 1
		o.c.Exec(fmt.Sprintf("INSERT INTO numbers VALUES (%d, repeat('x', 500))", n))
		at := o.c.Query("SELECT pg_current_wal_insert_lsn() || ' ' || clock_timestamp()")
		lsn, instant, _ := strings.Cut(at, " ")
		o.moments = append(o.moments, moment{n, lsn, instant})
		time.Sleep(2 * time.Millisecond) // clocks of commits are that coarse
	}
}

// want checks that a restored server has the numbers up to n and no other.
func (o *oracle) want(c *pgcluster.Cluster, n int, what string) {
	o.t.Helper()
	want := fmt.Sprintf("%d %d %d", n, n, n*(n+1)/2)
	got := c.Query("SELECT count(*) || ' ' || coalesce(max(n), 0) || ' ' || coalesce(sum(n), 0) FROM numbers")
	if got != want {
		o.t.Errorf("recovered to %s: count, maximum and sum are %s, want %s", what, got, want)
	}
}

// checkCluster runs the server's own checks of a restored cluster.
func checkCluster(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	pgcluster.Run(t, filepath.Join(c.Bin, "pg_amcheck"), "--install-missing", "--all", "-h", "127.0.0.1", "-p", fmt.Sprint(c.Port), "-U", "postgres")
	c.Stop()
	pgcluster.Run(t, filepath.Join(c.Bin, "pg_checksums"), "--check", "-D", c.Data)
}
