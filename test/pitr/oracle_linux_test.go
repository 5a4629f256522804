package pitr

import (
	"fmt"
	"math/rand/v2"
	"os"
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

// The oracle: transactions with their instants are written while base backups
// and a failover happen; then random instants are restored and compared with
// what must be there.
func TestOracle(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		s.run("plan", "run", "shop")
		o := &oracle{t: t, c: c}
		o.write(40)
		s.run("plan", "run", "shop")
		o.write(40)
		c.Exec("SELECT pg_create_restore_point('before the failover')")
		named := len(o.moments)

		// The primary dies and a standby takes its place, on a new timeline.
		standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		pgcluster.Run(t, filepath.Join(bin, "pg_basebackup"), "-d", c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
		standby.Start()
		o.write(20)
		s.waitArchived(c)
		waitForReplay(t, c, standby)
		stop()
		c.Kill()
		standby.Promote()
		s.write("holdfast.yaml", strings.ReplaceAll(read(t, s.config), c.DSN(), standby.DSN()))
		stop = s.background("wal", "receive", "--plan", "shop")
		o.c = standby
		o.write(30)
		s.run("plan", "run", "shop")
		o.write(30)
		s.waitArchived(standby)
		stop()

		t.Log(s.run("wal", "status", "--plan", "shop"))
		latest := s.restore()
		o.want(latest, len(o.moments), "the end of the log")
		checkCluster(t, latest)
		byName := s.restore("--to-name", "before the failover")
		o.want(byName, named, "a restore point")
		byName.Stop()

		rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // which instants does not matter
		for range restores() {
			m := o.moments[rng.IntN(len(o.moments)-1)]
			byLSN := s.restore("--to-lsn", m.lsn)
			o.want(byLSN, m.n, "position "+m.lsn)
			byLSN.Stop()
			m = o.moments[rng.IntN(len(o.moments)-1)]
			byTime := s.restore("--to-time", m.time)
			o.want(byTime, m.n, "time "+m.time)
			byTime.Stop()
		}
	})
}

// restores is how many random instants of each kind are restored. Those who
// have an hour set HOLDFAST_SOAK=1.
func restores() int {
	if os.Getenv("HOLDFAST_SOAK") != "" {
		return 60
	}
	return 3
}

func waitForReplay(t *testing.T, primary, standby *pgcluster.Cluster) {
	t.Helper()
	at := primary.Query("SELECT pg_current_wal_lsn()")
	for deadline := time.Now().Add(30 * time.Second); standby.Query("SELECT pg_last_wal_replay_lsn() >= '"+at+"'") != "t"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the standby does not catch up")
		}
	}
}
