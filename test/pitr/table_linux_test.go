package pitr

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// Tables come back as they were at a time, beside those in use, or in their own
// place when they are gone; what is there is never touched, and nothing is left
// behind.
func TestTable(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec(`CREATE TABLE numbers (n bigint PRIMARY KEY, filler text); CREATE SCHEMA sales; CREATE TYPE sales.size AS ENUM ('s', 'm');
			CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
			CREATE TABLE sales.items (id serial PRIMARY KEY, size sales.size DEFAULT 's', n bigint REFERENCES numbers); CREATE INDEX ON sales.items (size);
			CREATE TRIGGER touched BEFORE UPDATE ON sales.items FOR EACH ROW EXECUTE FUNCTION sales.touch();
			CREATE TABLE parts (n int, year int) PARTITION BY LIST (year); CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1); CREATE TABLE part_2 PARTITION OF parts FOR VALUES IN (2);
			CREATE MATERIALIZED VIEW sums AS SELECT count(*) FROM numbers`)
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		o.write(3)
		s.run("plan", "run", "shop")
		c.Exec("INSERT INTO sales.items (n) VALUES (1), (2); INSERT INTO parts SELECT n, n % 2 + 1 FROM generate_series(1, 10) n")
		o.write(3)
		at := o.moments[len(o.moments)-1].time
		c.Exec("TRUNCATE sales.items; DELETE FROM parts; INSERT INTO sales.items VALUES (77)")
		o.write(3)
		s.waitArchived(c)
		stop()
		before := files(t, filepath.Join(s.dir, "repository", "holdfast", "log"))
		restore := func(args ...string) []string {
			return append([]string{"restore", "--plan", "shop", "--to-time", at, "--to-server", c.DSN()}, args...)
		}

		out := s.run(append([]string{"--json"}, restore("--table", "sales.items,parts", "--table", "sums", "--to-schema", "back")...)...)
		var m struct {
			Tables []struct {
				From, To string
				Rows     int
			}
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, "tables_restored") {
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(m.Tables) != 3 || m.Tables[0].To != "back.items" || m.Tables[0].Rows != 2 || m.Tables[1].Rows != 10 {
			t.Errorf("it says\n%s", out)
		}
		for question, want := range map[string]string{
			"SELECT string_agg(id || ' ' || size || ' ' || n, ',' ORDER BY id) FROM back.items": "1 s 1,2 s 2",
			"SELECT count(*) || ' ' || (SELECT count(*) FROM back.part_2) FROM back.parts":      "10 5",
			"SELECT count FROM back.sums":                                                                  "0",
			"SELECT nextval('back.items_id_seq') > 2":                                                      "t",
			"SELECT count(*) FROM pg_indexes WHERE schemaname = 'back' AND tablename = 'items'":            "2",
			"SELECT count(*) FROM pg_constraint WHERE conrelid = 'back.items'::regclass AND contype = 'f'": "0",
			"SELECT string_agg(id::text, ' ') FROM sales.items":                                            "77",
		} {
			if got := c.Query(question); got != want {
				t.Errorf("%s: %s, want %s", question, got, want)
			}
		}
		if out, err := s.try(restore("--table", "sales.items", "--to-schema", "back")...); err == nil || !strings.Contains(out, "back.items is there already") {
			t.Errorf("over what is there: %v\n%s", err, out)
		}
		if out, err := s.try(restore("--table", "sales.items", "--to-schema", "own")...); err == nil || !strings.Contains(out, "sales.items is there already") {
			t.Errorf("over the table in use: %v\n%s", err, out)
		}
		if out := s.run(restore("--table", "sales.items", "--dry-run")...); !strings.Contains(out, "would bring sales.items of database postgres into schema restored_") {
			t.Errorf("a dry run says\n%s", out)
		}
		// A type that is not there any more: all or nothing.
		c.Exec("DROP TABLE sales.items; DROP TYPE sales.size CASCADE; DROP TABLE back.items")
		if out, err := s.try(restore("--table", "sales.items,numbers", "--to-schema", "fresh")...); err == nil || !strings.Contains(out, "sales.size") {
			t.Errorf("a type that is gone: %v\n%s", err, out)
		}
		if got := c.Query("SELECT count(*) FROM pg_namespace WHERE nspname = 'fresh'"); got != "0" {
			t.Error("a restore that failed left its schema")
		}
		c.Exec("CREATE TYPE sales.size AS ENUM ('s', 'm')")
		s.run(restore("--table", "sales.items", "--to-schema", "own")...)
		if got := c.Query("SELECT count(*) || ' ' || (SELECT count(*) FROM pg_trigger WHERE tgname = 'touched') || ' ' || (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'sales.items'::regclass) FROM sales.items"); got != "2 1 1" {
			t.Errorf("back in its own place: %s", got)
		}
		if after := files(t, filepath.Join(s.dir, "repository", "holdfast", "log")); strings.Join(after, " ") != strings.Join(before, " ") {
			t.Errorf("the restores changed the log archive:\n%s\nbefore:\n%s", after, before)
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, "holdfast-restore-*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if _, err := os.Stat(filepath.Join(c.Data, "postmaster.pid")); err != nil {
			t.Error(err)
		}
	})
}
