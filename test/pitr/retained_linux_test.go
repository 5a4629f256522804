package pitr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// While the repository is away, the service lets log go that is more than
// wal.max_retained, and tells people; when it is back, a base backup is taken
// without anybody asking for it, and the log is good again from there on.
func TestServiceLetsLogGo(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		s.write("holdfast.yaml", strings.Replace(read(t, s.config), "wal: { every: 1s }", "wal: { every: 1s, max_retained: 256M }", 1))
		s.run("plan", "run", "shop")
		h, mail := s.serve()
		h.Serve()
		h.Until("the service to archive", func() bool {
			return c.Query("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' AND flush_lsn = pg_current_wal_flush_lsn()") == "1"
		})
		repository, away := filepath.Join(s.dir, "repository"), filepath.Join(s.dir, "away")
		if err := os.Rename(repository, away); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			c.Exec("INSERT INTO numbers SELECT coalesce(max(n), 0) + 1 FROM numbers; SELECT pg_switch_wal()")
		}
		h.Until("somebody is told that log was let go", func() bool { return mail.has("the log of plan shop was let go from", "a new base backup begins") })
		c.Exec("CHECKPOINT") // the server removes what the slot does not keep
		c.Exec("CHECKPOINT")
		if err := os.Rename(away, repository); err != nil {
			t.Fatal(err)
		}
		h.Until("a base backup after the gap", func() bool {
			status, err := s.tryLogStatus()
			return err == nil && len(status.Ranges) > 1 && status.exit == 0 && !status.NeedsBaseBackup
		})
		if got := c.Query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) <= 300 << 20 FROM pg_replication_slots WHERE slot_name = 'holdfast_shop'"); got != "t" {
			t.Error("the slot keeps more than it may")
		}
	})
}
