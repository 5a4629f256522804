package pitr

import (
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A copy that is added when there are base backups already gets the log that
// they need with them, and can be restored from alone; before, no restore test
// goes there by turns.
func TestCopyAddedLater(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		s := newShop(t, bin, c.DSN(), "stream")
		o := &oracle{t: t, c: c}
		stop := s.background("wal", "receive", "--plan", "shop")
		o.write(5)
		s.run("plan", "run", "shop")
		o.write(5)
		c.Exec("SELECT pg_switch_wal()")
		o.write(5)
		s.waitArchived(c)
		stop()

		s.write("holdfast.yaml", strings.NewReplacer("repositories:\n", "repositories:\n  offsite: { url: "+s.dir+"/offsite, password: { file: password } }\n",
			"    repository: local\n", "    repository: local\n    copies: [offsite]\n").Replace(read(t, s.config)))
		s.run("init", "-r", "offsite", "--like", "local")
		s.run("wal", "init", "-r", "offsite")
		s.run("verify", "--plan", "shop", "--scratch", s.dir)
		if out := s.run("verify", "--plan", "shop", "--scratch", s.dir); !strings.Contains(out, "no restore test of shop from offsite yet: nothing of it was copied there") {
			t.Errorf("the turn of a copy with nothing in it:\n%s", out)
		}
		// The archiver goes on after what was signed elsewhere.
		if out := s.run("copy", "--plan", "shop"); !strings.Contains(out, "of the log to ") {
			t.Errorf("the copy brings no log:\n%s", out)
		}
		if got, err := s.verify("--from", "offsite", "--point", "backup-end"); err != nil || !got.Good {
			t.Errorf("the end of the backup, from the copy: %+v, %v", got, err)
		}
		stop = s.background("wal", "receive", "--plan", "shop")
		o.write(5)
		s.waitArchived(c)
		s.run("copy", "--plan", "shop")
		if out := s.run("wal", "status", "--plan", "shop"); strings.Contains(out, "GAP") || strings.Count(out, "any instant from then on") != 2 {
			t.Errorf("the log of the copy has a gap, or leads nowhere:\n%s", out)
		}
		if got, err := s.verify("--from", "offsite"); err != nil || !got.Good {
			t.Errorf("from the copy: %+v, %v", got, err)
		}
		stop()
	})
}
