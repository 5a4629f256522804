package pitr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A scratch server is promoted, and would archive, follow and wait for others if
// it were let, while the original fails over: both are on a timeline 2. It keeps
// to itself, and the archive has that of the original alone.
func TestScratchServerWhileFailingOver(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		c.Stop()
		c.Configure("archive_mode = on", "archive_command = '"+s.binary+" --config "+s.config+" wal push --plan shop %p'",
			fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres'", c.Port), "primary_slot_name = 'scratch'",
			"synchronous_standby_names = 'nobody'", "synchronous_commit = local", "shared_preload_libraries = 'auto_explain'", "recovery_end_command = 'touch "+s.dir+"/ended'")
		c.Start()
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		o.write(3)
		s.run("plan", "run", "shop")
		o.write(3)
		standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		pgcluster.Run(t, filepath.Join(bin, "pg_basebackup"), "-d", c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
		standby.Configure("archive_mode = off", "primary_slot_name = ''", "recovery_end_command = ''") // only the receiver archives from here on
		standby.Start()
		s.waitArchived(c)
		standby.WaitReplayed(c)
		stop()

		// The first check tells of the promotion, and then waits.
		promoted, failedOver := filepath.Join(s.dir, "promoted"), filepath.Join(s.dir, "failed-over")
		config := read(t, s.config)
		s.write("holdfast.yaml", strings.Replace(config, "restore_test: { checks: [", fmt.Sprintf(`restore_test: { checks: [
      { sql: "CREATE TABLE scratch AS SELECT 1; SELECT pg_switch_wal(); COPY (SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)) TO '%s';
        DO 'BEGIN WHILE (pg_stat_file(''%s'', true)).size IS NULL LOOP PERFORM pg_sleep(0.05); END LOOP; END'; SELECT 1", expect: "1" },
      { sql: "SELECT concat_ws('|', %s)", expect: "off||||off||0||0" },
`, promoted, failedOver, scratchSettings), 1))
		verify := s.start("verify", "--plan", "shop", "--json", "--scratch", s.dir)
		s.wait("the scratch server to be promoted", func() bool {
			timeline, err := os.ReadFile(promoted)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			return string(timeline) == "00000002\n"
		})
		c.Kill()
		standby.Promote()
		s.write("holdfast.yaml", strings.ReplaceAll(config, c.DSN(), standby.DSN()))
		stop = s.background("wal", "receive", "--plan", "shop")
		o.c = standby
		o.write(3)
		s.waitArchived(standby)
		stop()
		log := filepath.Join(s.dir, "repository", "holdfast", "log")
		before := files(t, log)
		s.write("failed-over", "")
		<-verify.ended
		if said := strings.Join(verify.printed(), "\n"); !strings.Contains(said, `"good":true`) {
			t.Errorf("the restore test says\n%s", said)
		}
		if after := files(t, log); !slices.Equal(after, before) {
			t.Errorf("the restore test changed the log archive:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
		if _, err := os.Stat(filepath.Join(s.dir, "ended")); err == nil {
			t.Error("the scratch server ran recovery_end_command")
		}
		o.want(s.restore(), 9, "the end of the log, after the failover")
	})
}

// scratchSettings are what ties a server to others.
const scratchSettings = `current_setting('archive_mode'), current_setting('primary_conninfo'), current_setting('primary_slot_name'), current_setting('synchronous_standby_names'),
        (SELECT setting FROM pg_settings WHERE name = 'hot_standby'), current_setting('listen_addresses'), current_setting('max_logical_replication_workers'),
        current_setting('shared_preload_libraries'), (SELECT count(*) FROM pg_replication_slots)`
