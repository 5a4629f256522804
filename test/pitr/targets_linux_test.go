package pitr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// The other ways to say where recovery stops and what comes after: a
// transaction, just before a position, a look around, a standby, and the data
// directory that is there already.
func TestTargets(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, apart(t)...)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		s.run("plan", "run", "shop")
		o := &oracle{t: t, c: c}
		o.write(5)
		transaction := c.Query("INSERT INTO numbers VALUES (6) RETURNING pg_current_xact_id()::text")
		o.moments = append(o.moments, moment{n: 6})
		o.write(4)
		s.waitArchived(c)

		at := s.restore("--to-xid", transaction)
		o.want(at, 6, "a transaction")
		at.Stop()
		before := s.restore("--to-xid", transaction, "--exclusive")
		o.want(before, 5, "just before a transaction")

		// The same data directory again, to another instant: only what differs
		// is written.
		if out, err := s.try("restore", "--plan", "shop", "--target", before.Data); err == nil || !strings.Contains(out, "stop it first") {
			t.Errorf("a running server: %v\n%s", err, out)
		}
		before.Stop()
		if out, err := s.try("restore", "--plan", "shop", "--target", before.Data); err == nil || !strings.Contains(out, "--delete") {
			t.Errorf("a data directory that is there: %v\n%s", err, out)
		}
		s.run("restore", "--plan", "shop", "--target", before.Data, "--delete")
		again := pgcluster.Attach(t, bin, before.Data)
		again.Start()
		waitPromoted(t, again)
		o.want(again, 10, "the end of the log, in place")
		again.Stop()

		paused := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		s.run("restore", "--plan", "shop", "--target", paused.Data, "--to-xid", transaction, "--pause")
		paused.Start()
		waitFor(t, paused, "SELECT pg_get_wal_replay_pause_state()", "paused")
		o.want(paused, 6, "a transaction, paused")
		paused.Stop()

		s.wantTold(o)
		standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		s.run("restore", "--plan", "shop", "--target", standby.Data, "--standby", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres", c.Port))
		standby.Start()
		o.write(3)
		waitFor(t, standby, "SELECT count(*) FROM numbers", "13")
		if got := standby.Query("SELECT pg_is_in_recovery()"); got != "t" {
			t.Errorf("the standby is in recovery: %s", got)
		}
		stop()

		other := filepath.Join(pgcluster.Folder(t), "other")
		if err := os.MkdirAll(other, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, "letter"), []byte("Dear Ann"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := s.try("restore", "--plan", "shop", "--target", other); err == nil || !strings.Contains(out, "no data directory") {
			t.Errorf("a folder of somebody else: %v\n%s", err, out)
		}
	})
}

// apart are settings with which servers that a restore starts do not meet, as
// each would listen at the usual port.
func apart(t *testing.T) []string {
	t.Helper()
	return []string{"listen_addresses = ''", "unix_socket_directories = '" + pgcluster.Folder(t) + "'"}
}

// wantTold checks what a dry run tells of the way and the time that it takes,
// and what a started restore tells of where it stopped.
func (s *shop) wantTold(o *oracle) {
	s.t.Helper()
	at := o.moments[4].time
	dry := func() string {
		return s.run("restore", "--plan", "shop", "--target", filepath.Join(s.dir, "dry"), "--dry-run", "--to-time", at)
	}
	if out := dry(); !strings.Contains(out, "begin with base backup") || !strings.Contains(out, "not known before the first restore test: holdfast verify --plan shop --source shop") {
		s.t.Errorf("a dry run before any restore test:\n%s", out)
	}
	if _, err := s.verify(); err != nil {
		s.t.Errorf("verify: %v", err)
	}
	if out := dry(); !strings.Contains(out, "by the restore test of ") || !strings.Contains(out, " of log") {
		s.t.Errorf("a dry run after a restore test:\n%s", out)
	}
	for target, want := range map[string]string{
		"--to-time=" + at: "before the wished time",
		"--source=shop":   "what the server wrote after that is lost",
	} {
		data := filepath.Join(pgcluster.Folder(s.t), "data")
		started := pgcluster.Attach(s.t, s.bin, data)
		stopAfter(s.t, started)
		if out := s.run("restore", "--plan", "shop", "--target", data, "--start", target); !strings.Contains(out, want) || !strings.Contains(out, "recovered to ") {
			s.t.Errorf("%s tells\n%s", target, out)
		}
		pgcluster.Run(s.t, filepath.Join(s.bin, "pg_ctl"), "-D", data, "-m", "fast", "-w", "stop")
	}
}

func waitPromoted(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	waitFor(t, c, "SELECT pg_is_in_recovery()", "f")
}

func waitFor(t *testing.T, c *pgcluster.Cluster, question, answer string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); c.Query(question) != answer; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %q, want %q", question, c.Query(question), answer)
		}
	}
}
