package pitr

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A restored server leaves the archive alone, though it is told to archive just
// as the original was, and though a receiver is pointed at it or its archiving is
// turned on by hand. It archives again, on its own timeline, when it has a base
// backup of its own, or when the restore or the receiver was told so.
func TestRestoredServerArchives(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c, s := archiving(t, bin, "both")
		s.archiveTo(c)
		receiver := s.background("wal", "receive", "--plan", "shop")
		s.run("plan", "run", "shop")
		o := &oracle{t: t, c: c}
		o.write(3)
		early := o.moments[2]
		for range 3 { // the archive has segments more than what is restored
			o.write(1)
			c.Exec("SELECT pg_switch_wal()")
		}
		s.waitArchived(c)
		receiver()
		s.waitPushed(c)
		c.Stop()
		log := filepath.Join(s.dir, "repository", "holdfast", "log")
		before := files(t, log)

		restored := s.restore("--to-lsn", early.lsn)
		o.want(restored, 3, "a position")
		if got := restored.Query("SELECT current_setting('archive_mode') || ' ' || bool_or(setting LIKE '%wal push%') FROM pg_file_settings WHERE name = 'archive_command'"); got != "off true" {
			t.Errorf("archive_mode of the restored server, and whether there is an archive_command: %s", got)
		}
		restored.Stop()
		conf := filepath.Join(restored.Data, "postgresql.auto.conf") // by hand
		if err := os.WriteFile(conf, []byte(strings.Replace(read(t, conf), "archive_mode = 'off'", "", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		restored.Start()
		again := &oracle{t: t, c: restored, moments: slices.Clone(o.moments[:3])}
		again.write(1)
		restored.Exec("SELECT pg_switch_wal()")
		again.write(1)
		s.wait("a push to be refused", func() bool { return restored.Query("SELECT failed_count > 0 FROM pg_stat_archiver") == "t" })
		config := read(t, s.config)
		s.write("holdfast.yaml", strings.ReplaceAll(config, c.DSN(), restored.DSN()))
		if out, err := s.try("wal", "receive", "--plan", "shop", "--once"); err == nil || !strings.Contains(out, "this server was restored, and its log is not archived until it has a base backup of its own") {
			t.Errorf("a receiver of the restored server ends with %v and says\n%s", err, out)
		}
		if after := files(t, log); !slices.Equal(after, before) {
			t.Errorf("the restored server has changed the archive:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}

		s.run("plan", "run", "shop")
		receiver = s.background("wal", "receive", "--plan", "shop")
		again.write(1)
		s.waitArchived(restored)
		s.waitPushed(restored)
		receiver()
		at := s.restore()
		again.want(at, 6, "the end of the log, by a base backup of its own")
		at.Stop()
		at = s.restore("--to-lsn", again.moments[3].lsn)
		again.want(at, 4, "what it wrote before its own base backup, by that of the original")
		at.Stop()
		restored.Stop()
		if at = s.restore("--to-timeline", "1"); at.Query("SELECT count(*) FROM numbers") != "6" {
			t.Error("the end of the original's log is not there any more")
		}
		at.Stop()

		kept := s.restore("--to-lsn", early.lsn, "--keep-archiving")
		again = &oracle{t: t, c: kept, moments: slices.Clone(o.moments[:3])}
		again.write(4)
		s.waitPushed(kept)
		kept.Stop()
		at = s.restore("--to-timeline", "3")
		again.want(at, 7, "what a server has archived that was told to")
		if status := s.logStatus(); len(status.Gaps) > 0 || len(status.Unproven) > 0 || len(status.Ranges) != 3 {
			t.Errorf("the archive has %+v", status)
		}
	})
}

// newTimeline has a server begin one, as a standby does that takes over.
func newTimeline(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	c.Stop()
	signal := filepath.Join(c.Data, "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), pgcluster.Own(signal)); err != nil {
		t.Fatal(err)
	}
	c.Start()
	c.Promote()
}

// archiveWithoutPassword has the server archive as a host does that has nothing
// but the signing key and the recipients.
func (s *shop) archiveWithoutPassword(c *pgcluster.Cluster) {
	s.t.Helper()
	if err := os.Mkdir(filepath.Join(s.dir, "host"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	host := *s
	host.config = filepath.Join(s.dir, "host", "holdfast.yaml")
	s.write("host/holdfast.yaml", strings.Replace(read(s.t, s.config), "password: { file: password }", "password: { file: nowhere }", 1))
	for _, key := range []string{"local.log-signing-key", "local.log-recipients"} {
		s.write(filepath.Join("host", key), read(s.t, filepath.Join(s.dir, key)))
	}
	host.archiveTo(c)
}

// A server whose timeline began before its log was archived has its history file
// archived by the first base backup: without it nothing could be restored. The
// database host needs no password of the repository to archive.
func TestArchivingBeginsLate(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[17]
	c, s := archiving(t, bin, "push")
	c.Configure("archive_mode = off")
	newTimeline(t, c)
	c.Stop()
	c.Configure("archive_mode = on")
	c.Start()
	s.archiveWithoutPassword(c)
	s.run("plan", "run", "shop")
	o := &oracle{t: t, c: c}
	o.write(5)
	s.waitPushed(c)
	if status := s.logStatus(); status.exit != 0 || len(status.Unproven) > 0 {
		t.Errorf("the archive has %+v", status)
	}
	o.want(s.restore(), 5, "the end of the log")
}
