package pitr

import (
	"os"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// With --mark a server gets rid of a backlog by fewer commands than it has
// segments. It never notices that others mark them, and all of them are archived.
func TestMarkedBacklog(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c, s := archiving(t, bin, "push")
		s.background("wal", "receive", "--plan", "shop")
		s.archiveTo(c)
		s.run("plan", "run", "shop")
		c.Exec("ALTER SYSTEM SET archive_command = '/bin/false'")
		c.Exec("SELECT pg_reload_conf()")
		o := &oracle{t: t, c: c}
		for range 24 {
			o.write(1)
			c.Exec("SELECT pg_switch_wal()")
		}
		c.Exec("SELECT pg_stat_reset_shared('archiver')")
		s.archiveWith(c, "wal push --mark --plan shop %p")
		ready := func() string {
			return c.Query("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")
		}
		s.wait("the backlog to be archived", func() bool { return ready() == "0" })
		if commands := c.Query("SELECT archived_count < 24 FROM pg_stat_archiver"); commands != "t" {
			t.Errorf("the server ran a command for each: %s", c.Query("SELECT row_to_json(a) FROM pg_stat_archiver a"))
		}
		log, err := os.ReadFile(c.Data + ".log")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "archive_status") || strings.Contains(line, "PANIC") {
				t.Errorf("the server stumbles over a mark: %s", line)
			}
		}
		c.Stop()
		o.want(s.restore(), 24, "the end of a backlog that was marked")
	})
}
