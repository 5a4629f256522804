package pitr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// Targets that cannot be reached, and servers that cannot be followed, are refused
// in words before anything is written; what only the log knows, the started server
// tells.
func TestRefusedTargets(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c, other := pgcluster.New(t, bin, apart(t)...), pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		before := c.Query("SELECT to_char(now() - interval '1 minute', 'YYYY-MM-DD HH24:MI:SSOF')")
		s.run("plan", "run", "shop")
		o := &oracle{t: t, c: c}
		o.write(3)
		s.waitArchived(c)
		stop()
		data := filepath.Join(pgcluster.Folder(t), "data")
		primary := func(c *pgcluster.Cluster) string { return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres", c.Port) }
		for _, refused := range []struct {
			why  string
			args []string
		}{
			{`"abc" is no transaction`, []string{"--to-xid", "abc"}},
			{"the longest have 63", []string{"--to-name", strings.Repeat("n", 64)}},
			{"it was complete only after that", []string{"--to-time", before}},
			{"leave the time out", []string{"--to-time", "2100-01-01 00:00:00+00"}},
			{"--to-time", []string{"--to-time", "tomorrow"}},
			{"--to-lsn", []string{"--to-lsn", "somewhere"}},
			{"the log archive ends at", []string{"--to-lsn", "FFFF/0"}},
			{"it is consistent only from", []string{"--to-lsn", "0/1"}},
			{"timeline 7 does not come from its timeline, 1", []string{"--to-timeline", "7"}},
			{"no backup is named", []string{"--backup", "ffffffff"}},
			{"that server is of another cluster", []string{"--standby", primary(other)}},
			{"the connection string cannot be read", []string{"--standby", "host='127.0.0.1"}},
			{"follows its primary and stops nowhere", []string{"--standby", primary(c), "--to-time", before}},
			{"follows its primary and stops nowhere", []string{"--standby", primary(c), "--pause"}},
		} {
			out, err := s.try(append([]string{"restore", "--plan", "shop", "--target", data}, refused.args...)...)
			if err == nil || !strings.Contains(out, refused.why) {
				t.Errorf("%q: %v; want it refused with %q\n%s", refused.args, err, refused.why, out)
			}
			if _, err := os.Lstat(data); !os.IsNotExist(err) {
				t.Fatalf("%q: it was refused, and there is a data directory (%v)", refused.args, err)
			}
		}
		for _, unknown := range [][]string{{"--to-name", "never made"}, {"--to-xid", "4000000000"}} {
			place := filepath.Join(pgcluster.Folder(t), "data")
			started := pgcluster.Attach(t, bin, place)
			stopAfter(t, started)
			out, err := s.try(append([]string{"restore", "--plan", "shop", "--target", place, "--start"}, unknown...)...)
			if err == nil || !strings.Contains(out, "recovery ended before configured recovery target was reached") {
				t.Errorf("%q: %v\n%s", unknown, err, out)
			}
		}
		other.Stop()
		// A primary that does not answer may be on its way. What is said of a timeline counts.
		s.write("pass", "")
		out := s.run("restore", "--plan", "shop", "--target", data, "--to-timeline", "1", "--standby", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=hush-1", other.Port))
		if !strings.Contains(out, "the standby looks for it again when it starts") || !strings.Contains(out, "a password on the command line") || strings.Contains(out, "hush-1") {
			t.Errorf("it says\n%s", out)
		}
		settings := read(t, filepath.Join(data, "postgresql.auto.conf"))
		if !strings.Contains(settings, "recovery_target_timeline = '1'") || !strings.Contains(settings, "password=hush-1") {
			t.Errorf("the standby is told\n%s", settings)
		}
		if info, err := os.Stat(filepath.Join(data, "postgresql.auto.conf")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file with the password is %v, %v", info.Mode(), err)
		}
	})
}
