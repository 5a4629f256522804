package pitr

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/pgcluster"
)

// Names that mean something to a shell, to PostgreSQL's settings or to SQL are
// names all the same: of folders, tablespaces, restore points, tables, and in what
// a standby is told.
func TestOddNames(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		place := filepath.Join(pgcluster.Folder(t), `fast \disk #1 "é"`)
		if err := errors.Join(os.Mkdir(place, 0o700), pgcluster.Own(place)); err != nil {
			t.Fatal(err)
		}
		c.Exec(`CREATE TABLESPACE "odd ""one""" LOCATION '` + place + `'`)
		c.Exec(`CREATE TABLE numbers (n bigint PRIMARY KEY, filler text) TABLESPACE "odd ""one"""`)
		c.Exec(`CREATE SCHEMA "Sales $1"; CREATE TABLE "Sales $1"."it's ""odd"".*\t" AS SELECT 7 AS n;
			CREATE SCHEMA "A,b.c"; CREATE TABLE "A,b.c"."d,""E""" AS SELECT 8 AS n; CREATE TABLE "A,b.c".x AS SELECT 9 AS n`)
		s := newShop(t, bin, c.DSN(), "stream")
		s.moveTo(filepath.Join(s.dir, `it's 100%p \now`))
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		o.write(3)
		s.run("plan", "run", "shop")
		o.write(3)
		point := `it's \now, 100%`
		c.Exec(`SELECT pg_create_restore_point('it''s \now, 100%')`)
		o.write(3)
		s.waitArchived(c)

		moved := filepath.Join(pgcluster.Folder(t), `moved \to's`)
		back := s.restore("--to-name", point, "--tablespace-map", place+"="+moved)
		o.want(back, 6, "a restore point")
		if got := back.Query(`SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname LIKE 'odd%'`); got != moved {
			t.Errorf("the tablespace lies at %s, want %s", got, moved)
		}
		back.Stop()

		name := `holdfast's \standby`
		standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		s.run("restore", "--plan", "shop", "--target", standby.Data, "--standby",
			fmt.Sprintf(`host=127.0.0.1 port=%d user=postgres application_name='holdfast\'s \\standby'`, c.Port))
		standby.Start()
		o.write(3)
		waitFor(t, standby, "SELECT count(*) FROM numbers", "12")
		if got := c.Query("SELECT string_agg(application_name, ',' ORDER BY application_name) FROM pg_stat_replication"); got != "holdfast,"+name {
			t.Errorf("the standbys are called %s, want %s", got, name)
		}
		stop()

		s.run("restore", "--plan", "shop", "--to-name", point, "--to-server", c.DSN(), "--table", `Sales $1.it's "odd".*\t`, "--to-schema", `back "here"`)
		s.run("restore", "--plan", "shop", "--to-name", point, "--to-server", c.DSN(), "--table", `"A,b.c"."d,""E""","A,b.c".x`, "--to-schema", `back, too`)
		if got := c.Query(`SELECT a.n || ' ' || b.n FROM "back, too"."d,""E""" a, "back, too".x b`); got != "8 9" {
			t.Errorf("the tables with commas in their names hold %s", got)
		}
		if got := c.Query(`SELECT n FROM "back ""here"""."it's ""odd"".*\t"`); got != "7" {
			t.Errorf("the table holds %s", got)
		}
	})
}

// moveTo has the plan's files in another folder.
func (s *shop) moveTo(dir string) {
	s.t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	keys, err := filepath.Glob(filepath.Join(s.dir, "local.*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range append(keys, s.config, filepath.Join(s.dir, "password")) {
		rename(s.t, path, filepath.Join(dir, filepath.Base(path)))
	}
	if err := pgcluster.Own(dir); err != nil {
		s.t.Fatal(err)
	}
	s.config = filepath.Join(dir, "holdfast.yaml")
}
