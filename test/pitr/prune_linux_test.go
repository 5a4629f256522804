package pitr

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/postgres"
	"holdfast/test/pgcluster"
)

// logPruned is what `holdfast wal prune --json` says, and a part of what
// `holdfast wal status --json` does.
type logPruned struct {
	Removed []struct{ Name, Reason string }
	Backups []struct{ Snapshot, Reach string } `json:"base_backups"`
	Gaps    []string
	Pruned  []string
}

func (s *shop) log(args ...string) (m logPruned) {
	s.t.Helper()
	out := s.run(append([]string{"--json", "wal"}, args...)...)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "base_backups") {
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				s.t.Fatalf("%v: %s", err, line)
			}
			return m
		}
	}
	s.t.Fatalf("nothing is said of base backups:\n%s", out)
	return m
}

// superseded is the reason why a slice goes whose segment is whole.
const superseded = "its segment is archived whole"

// outdated counts what went for another reason than being superseded.
func (m logPruned) outdated() (n int) {
	for _, r := range m.Removed {
		if r.Reason != superseded {
			n++
		}
	}
	return n
}

// After pruning, every promised instant still restores, backups before the
// window restore as they were at their end, and no gap is reported.
func TestPruneLog(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		var ends []int
		for range 3 {
			o.write(3)
			s.run("plan", "run", "shop")
			ends = append(ends, len(o.moments))
			for range 3 {
				o.write(3)
				c.Exec("SELECT pg_switch_wal()")
			}
			time.Sleep(time.Second) // between the ends of backups, which are compared by time
		}
		s.waitArchived(c)
		stop()

		// No window: the oldest backup begins it. Only the segment before that goes.
		// Slices whose segment is whole may be there, as two receivers ran.
		if m := s.log("prune", "--plan", "shop"); m.outdated() > 1 || len(m.Backups) != 3 || m.Backups[0].Reach != "end" {
			t.Errorf("without a window: %+v", m)
		}
		// The narrowest window there is has all three backups in it.
		config := read(t, s.config)
		s.write("holdfast.yaml", strings.Replace(config, "    objectives: { rpo: 1m,", "    keep: { within: 1h }\n    objectives: { rpo: 1h,", 1))
		before := files(t, filepath.Join(s.dir, "repository", "holdfast", "log"))
		if m := s.log("prune", "--plan", "shop", "--dry-run"); len(m.Removed) > 0 {
			t.Errorf("within the window: %+v", m)
		}

		// The oldest backup is forgotten: what only it needed goes.
		all := s.log("status", "--plan", "shop").Backups
		s.run("forget", "-r", "local", all[0].Snapshot)
		if m := s.log("prune", "--plan", "shop", "--dry-run"); len(m.Removed) == 0 || len(m.Backups) != 2 {
			t.Errorf("after the oldest was forgotten: %+v", m)
		}
		if after := files(t, filepath.Join(s.dir, "repository", "holdfast", "log")); len(after) != len(before) {
			t.Error("a dry run removed something")
		}
		if m := s.log("prune", "--plan", "shop"); len(m.Removed) == 0 {
			t.Errorf("nothing is removed: %+v", m)
		}
		if m := s.log("prune", "--plan", "shop"); len(m.Removed) > 0 {
			t.Errorf("a second run removes %+v", m)
		}
		m := s.log("status", "--plan", "shop")
		if len(m.Gaps) > 0 || len(m.Backups) != 2 || m.Backups[0].Reach != "end" || m.Backups[1].Reach != "end" {
			t.Errorf("status: %+v", m)
		}
		for _, n := range []int{ends[1] + 1, ends[1] + 7, len(o.moments) - 1} {
			at := o.moments[n-1]
			restored := s.restore("--to-lsn", at.lsn)
			o.want(restored, at.n, "position "+at.lsn)
			restored.Stop()
		}
	})
}

// A backup whose later log was pruned restores to its own end, though the
// server reads ahead and newer log is there; to any other instant it is
// refused.
func TestThisPointOnly(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		o.write(3)
		s.run("plan", "run", "shop")
		from, n := position(t, c), len(o.moments)
		for range 3 {
			o.write(3)
			c.Exec("SELECT pg_switch_wal()")
		}
		to := position(t, c)
		s.run("plan", "run", "shop")
		o.write(3)
		s.waitArchived(c)
		stop()

		// What `wal prune` leaves once the window has gone by.
		pruned := 0
		for _, file := range files(t, filepath.Join(s.dir, "repository", "holdfast", "log")) {
			var start, end uint64
			if _, err := fmt.Sscanf(filepath.Base(file), "%016X-%016X.", &start, &end); err == nil && start >= from && end <= to && end > start {
				pruned++
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
		}
		if pruned < 4 {
			t.Fatalf("%d files lie between the backups, %X to %X", pruned, from, to)
		}
		out, err := s.try("wal", "status", "--plan", "shop", "--json")
		var m logPruned
		// The gap is told, but is no failure: a base backup has followed it.
		if err != nil || json.Unmarshal([]byte(strings.SplitAfter(out, "\n")[0]), &m) != nil || len(m.Gaps) != 1 || m.Backups[0].Reach != "gap" || m.Backups[1].Reach != "end" {
			t.Errorf("status: %+v, %v\n%s", m, err, out)
		}
		restored := s.restore("--to-backup-end", "--backup", m.Backups[0].Snapshot)
		o.want(restored, n, "the end of the first backup")
		if out, err := s.try("restore", "--plan", "shop", "--to-lsn", o.moments[n].lsn, "--target", filepath.Join(s.dir, "x")); err == nil {
			t.Errorf("log that is gone is promised:\n%s", out)
		}
	})
}

// position is the end of the last segment that a server has finished.
func position(t *testing.T, c *pgcluster.Cluster) uint64 {
	t.Helper()
	at, err := postgres.ParseLSN(c.Query("SELECT pg_current_wal_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	return uint64(at) &^ (postgres.DefaultSegmentBytes - 1)
}
