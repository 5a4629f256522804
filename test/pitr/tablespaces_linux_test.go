package pitr

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/pgcluster"
)

// Tablespaces outside of the data directory come to lie inside it, or where
// --tablespace-map says, and recovery goes through them either way; never is
// the original's place touched.
func TestTablespaces(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		place := filepath.Join(pgcluster.Folder(t), "fast disk")
		if err := os.Mkdir(place, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := pgcluster.Own(place); err != nil {
			t.Fatal(err)
		}
		c.Exec("CREATE TABLESPACE fast LOCATION '" + place + "'")
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text) TABLESPACE fast")
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		o.write(5)
		s.run("plan", "run", "shop")
		o.write(5)
		s.waitArchived(c)
		stop()
		c.Stop()

		inside := s.restore()
		o.want(inside, len(o.moments), "the end of the log")
		checkCluster(t, inside)

		moved := filepath.Join(pgcluster.Folder(t), "moved")
		outside := s.restore("--tablespace-map", place+"="+moved)
		o.want(outside, len(o.moments), "the end of the log")
		outside.Exec("CREATE TABLE more TABLESPACE fast AS SELECT 1")
		if got := outside.Query("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'"); got != moved {
			t.Errorf("the tablespace lies at %s, want %s", got, moved)
		}
		checkCluster(t, outside)

		if got, err := s.verify(); err != nil || !got.Good {
			t.Errorf("verify: %+v, %v", got, err)
		}
		c.Start()
		o.want(c, len(o.moments), "nothing: it is the original")
		if out, err := s.try("restore", "--plan", "shop", "--target", filepath.Join(s.dir, "x"), "--tablespace-map", "/nowhere="+moved); err == nil {
			t.Errorf("a tablespace that is not there is mapped:\n%s", out)
		}
	})
}
