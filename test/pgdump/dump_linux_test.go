package pgdump

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// digest is a sum of all that a table has.
const digest = "SELECT md5(string_agg(i::text, '|' ORDER BY id)) FROM sales.items i"

// Two databases with roles, an extension, a large object come back whole in
// another server; what stands there is not touched unasked.
func TestRoundTrip(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		from, to := pgcluster.New(t, bin), pgcluster.New(t, bin)
		fill(t, from)
		want := ask(t, from, "shop", digest)
		s := newShop(t, from, "bin_dir: "+bin)
		s.run("plan", "run", "shop")
		restore := func(args ...string) []string {
			return append([]string{"restore", "--plan", "shop", "--source", "shop", "--bin-dir", bin, "--to-server", to.DSN()}, args...)
		}
		ask(t, to, "postgres", "ALTER ROLE postgres PASSWORD 'mine'")
		mine := ask(t, to, "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
		out := s.run(restore()...)
		for _, check := range []struct{ database, sql, want string }{
			{"shop", digest, want},
			{"shop", "SELECT count(*) FROM sales.orders", "500"},
			{"shop", "SELECT convert_from(lo_get(4711), 'UTF8')", "a large object"},
			{"shop", "SELECT count(*) FROM pg_indexes WHERE schemaname = 'sales'", "4"},
			{"shop", "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'", "clerk"},
			{"shop", "SHOW work_mem", "7MB"},
			{"odd/name 100%25", "SELECT sum(n) FROM t", "55"},
			{"postgres", "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE rolname = 'clerk'", "1"},
			{"postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'", mine},
			{"postgres", "SELECT rolpassword LIKE 'SCRAM%' FROM pg_authid WHERE rolname = 'clerk'", "t"},
		} {
			if got := ask(t, to, check.database, check.sql); got != check.want {
				t.Errorf("restored: %s: %q, want %q\n%s", check.sql, got, check.want, out)
			}
		}
		ask(t, to, "shop", "UPDATE sales.items SET name = 'changed ' || id; CREATE TABLE public.other ()")
		s.refused("there is already: database odd/name 100%, shop", restore()...)
		if got := ask(t, to, "shop", "SELECT count(*) FROM sales.items WHERE name LIKE 'changed%'"); got != "1000" {
			t.Errorf("a refused restore changed something: %s", got)
		}
		s.run(restore("--database", "shop", "--clean", "--jobs", "2")...)
		if got := ask(t, to, "shop", digest); got != want {
			t.Errorf("--clean: %s, want %s", got, want)
		}
		if got := ask(t, to, "shop", "SELECT count(*) FROM pg_class WHERE relname = 'other'"); got != "1" {
			t.Error("--clean dropped what the dump does not have")
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, "holdfast-*")); len(left) > 0 {
			t.Errorf("scratch was left behind: %s", left)
		}
		s.run(restore("--database", "shop", "--into", "twin", "--jobs", "2")...)
		if got := ask(t, to, "twin", digest); got != want {
			t.Errorf("--into: %s, want %s", got, want)
		}
		testSelections(t, s, to, want, restore)
		testFiles(t, s, to, want)
	}
}

// Parts of a database come with all that belongs to them.
func testSelections(t *testing.T, s *shop, to *pgcluster.Cluster, want string, restore func(...string) []string) {
	out := s.run(restore("--database", "shop", "--table", "sales.items", "--into", "one")...)
	if got := ask(t, to, "one", digest); got != want {
		t.Errorf("--table: %s, want %s", got, want)
	}
	const parts = `SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'sales'::regnamespace AND relkind IN ('r', 'i', 'S')`
	if got := ask(t, to, "one", parts); got != "items items_id_seq items_name_key items_pkey items_trgm" {
		t.Errorf("--table brings %s\n%s", got, out)
	}
	if got := ask(t, to, "one", "SELECT nextval('sales.items_id_seq') || ' ' || (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) || obj_description('sales.items'::regclass)"); got != "1001 1what we sell" {
		t.Errorf("sequence, trigger and comment: %s", got)
	}
	if !strings.Contains(out, "left out") {
		t.Errorf("nothing is said of the foreign key that is left out:\n%s", out)
	}
	s.run(restore("--database", "shop", "--schema", "sales", "--into", "part")...)
	if got := ask(t, to, "part", "SELECT count(*) FROM sales.orders") + ask(t, to, "part", "SELECT count(*) FROM pg_class WHERE relname = 'notes'"); got != "5000" {
		t.Errorf("--schema: %s", got)
	}
	// Beside the table in use.
	s.run(restore("--to-server", in(to, "shop"), "--database", "shop", "--table", "sales.items,notes", "--to-schema", "back")...)
	if got := ask(t, to, "shop", "SELECT (SELECT count(*) FROM back.items) || ' ' || (SELECT line FROM back.notes)"); got != "1000 public" {
		t.Errorf("tables of a dump beside those in use: %s", got)
	}
	ask(t, to, "shop", "DROP TABLE sales.items CASCADE")
	s.run(restore("--database", "shop", "--table", "sales.items", "--clean")...)
	if got := ask(t, to, "shop", digest); got != want {
		t.Errorf("a dropped table is not back: %s, want %s", got, want)
	}
	if got := ask(t, to, "shop", "SELECT count(*) FROM pg_constraint WHERE conname = 'orders_item_fkey'"); got != "1" {
		t.Errorf("the foreign key of others to it is not back")
	}
	s.refused("there is no table nothing", restore("--database", "shop", "--table", "nothing", "--into", "x")...)
	s.refused("is not in the dump", restore("--database", "nothing")...)
	s.refused("is for one database", restore("--table", "items", "--into", "x")...)
}

// The files of a dump work with PostgreSQL's own programs.
func testFiles(t *testing.T, s *shop, to *pgcluster.Cluster, want string) {
	files := filepath.Join(s.dir, "files")
	s.run("restore", "-r", "local", "latest:/shop", "--target", files)
	for _, name := range []string{"globals.sql", "dump.json", "shop.dump", "odd%2Fname 100%25.dump"} {
		if _, err := os.Stat(filepath.Join(files, name)); err != nil {
			t.Error(err)
		}
	}
	ask(t, to, "postgres", "CREATE DATABASE byhand")
	pgcluster.Run(t, filepath.Join(to.Bin, "pg_restore"), "-e", "-d", in(to, "byhand"), filepath.Join(files, "shop.dump"))
	if got := ask(t, to, "byhand", digest); got != want {
		t.Errorf("by hand: %s, want %s", got, want)
	}
}

// Dumps in the directory format, by several jobs, come back like the others,
// whole and in parts.
func TestDirectory(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		from, to := pgcluster.New(t, bin), pgcluster.New(t, bin)
		fill(t, from)
		want := ask(t, from, "shop", digest)
		s := newShop(t, from, "bin_dir: "+bin, "format: directory", "jobs: 2")
		s.run("plan", "run", "shop")
		restore := func(args ...string) []string {
			return append([]string{"restore", "--plan", "shop", "--bin-dir", bin, "--to-server", to.DSN()}, args...)
		}
		s.run(restore("--jobs", "2")...)
		for _, check := range []struct{ database, sql, want string }{
			{"shop", digest, want},
			{"shop", "SELECT convert_from(lo_get(4711), 'UTF8')", "a large object"},
			{"odd/name 100%25", "SELECT sum(n) FROM t", "55"},
		} {
			if got := ask(t, to, check.database, check.sql); got != check.want {
				t.Errorf("restored: %s: %q, want %q", check.sql, got, check.want)
			}
		}
		s.run(restore("--database", "shop", "--table", "sales.items", "--into", "one")...)
		if got := ask(t, to, "one", digest); got != want {
			t.Errorf("--table: %s, want %s", got, want)
		}
		out := s.run("verify", "--plan", "shop", "--bin-dir", bin, "--scratch", s.dir, "--database", "shop")
		if !strings.Contains(out, "4 of 4 tables have as many rows as at the backup") {
			t.Errorf("verify says\n%s", out)
		}
		// PostgreSQL's own program reads what restic restores.
		files := filepath.Join(s.dir, "files")
		s.run("restore", "-r", "local", "latest:/shop", "--target", files)
		if got := pgcluster.Run(t, filepath.Join(bin, "pg_restore"), "--list", filepath.Join(files, "shop.dump")); !strings.Contains(got, "TABLE DATA sales items") {
			t.Errorf("the folder of the dump has\n%s", got)
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, "holdfast-*")); len(left) > 0 {
			t.Errorf("scratch was left behind: %s", left)
		}
	}
}

// The rows that are counted, all the databases' jobs and the dump see the same
// moment, whatever is written meanwhile.
func TestOneMoment(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		for _, format := range []string{"format: custom", "format: directory"} {
			c := pgcluster.New(t, bin)
			c.Exec("CREATE DATABASE shop")
			ask(t, c, "shop", "CREATE TABLE a AS SELECT generate_series(1, 200000) n; CREATE TABLE b AS SELECT n, repeat('x', 200) FROM a; CREATE TABLE z AS SELECT 0 n")
			script := filepath.Join(pgcluster.Folder(t), "both.sql")
			if err := os.WriteFile(script, []byte("BEGIN; INSERT INTO a VALUES (0); INSERT INTO z VALUES (0); COMMIT;\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			s := newShop(t, c, "bin_dir: "+bin, "databases: [shop]", format)
			writer := pgcluster.Command(filepath.Join(bin, "pgbench"), "-n", "-R", "300", "-T", "600", "-f", script, in(c, "shop"))
			if err := writer.Start(); err != nil { // both tables change in each transaction
				t.Fatal(err)
			}
			s.run("plan", "run", "shop")
			writer.Process.Kill() //nolint:errcheck // it runs for longer
			writer.Wait()         //nolint:errcheck // it was killed
			if out := s.run("verify", "--plan", "shop", "--bin-dir", bin, "--scratch", s.dir); !strings.Contains(out, "3 of 3 tables have as many rows") {
				t.Errorf("%s: verify says\n%s", format, out)
			}
			s.run("restore", "--plan", "shop", "--bin-dir", bin, "--to-server", c.DSN(), "--into", "back")
			if got := ask(t, c, "back", "SELECT (SELECT count(*) FROM a) - (SELECT count(*) FROM z)"); got != "199999" {
				t.Errorf("%s: the tables are of two moments: %s", format, got)
			}
		}
	}
}

// What did not change since the last dump is stored once.
func TestDeduplicated(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE DATABASE shop")
		ask(t, c, "shop", "CREATE TABLE big AS SELECT n, md5(n::text) || md5((n+1)::text) m FROM generate_series(1, 400000) n")
		s := newShop(t, c, "bin_dir: "+bin, "databases: [shop]")
		s.run("plan", "run", "shop")
		first := size(t, filepath.Join(s.dir, "repository"))
		ask(t, c, "shop", "INSERT INTO big VALUES (0, 'new')")
		s.run("plan", "run", "shop")
		if grown := size(t, filepath.Join(s.dir, "repository")) - first; grown > first/4 {
			t.Errorf("the second dump added %d bytes to %d", grown, first)
		}
	}
}

func size(t *testing.T, folder string) (total int64) {
	t.Helper()
	err := filepath.Walk(folder, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// Whatever goes wrong: no snapshot, and the reason.
func TestFailures(t *testing.T) {
	for version, bin := range pgcluster.Versions(t) {
		c := pgcluster.New(t, bin)
		fill(t, c)
		ask(t, c, "postgres", "CREATE DATABASE big")
		ask(t, c, "big", "CREATE TABLE a AS SELECT n, repeat(md5(n::text), 30) m FROM generate_series(1, 100000) n")

		old := filepath.Join(pgcluster.Folder(t), "bin")
		if err := os.Mkdir(old, 0o755); err != nil {
			t.Fatal(err)
		}
		fake := fmt.Sprintf("#!/bin/sh\necho 'pg_dump (PostgreSQL) %d.3'\n", version-1)
		if err := os.WriteFile(filepath.Join(old, "pg_dump"), []byte(fake), 0o755); err != nil {
			t.Fatal(err)
		}
		s := newShop(t, c, "bin_dir: "+old)
		s.refused(fmt.Sprintf("Install the client programs of PostgreSQL %d", version), "plan", "run", "shop")

		// A program that prints half a dump, or nothing, and says all is well.
		lying := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) %d.3'\nexit 0\n", version)
		for _, name := range []string{"pg_dump", "pg_dumpall"} {
			if err := os.WriteFile(filepath.Join(old, name), []byte(lying), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s.refused("printed no whole dump", "plan", "run", "shop")
		if n := s.snapshots(); n != 0 {
			t.Errorf("%d snapshots of dumps that failed", n)
		}

		s = newShop(t, c, "bin_dir: "+bin, "databases: [shop, nowhere]")
		s.refused("the server has no database nowhere", "plan", "run", "shop")

		s = newShop(t, c, "bin_dir: "+bin, "databases: [big]")
		done := make(chan struct{})
		go func() { // kills the dump as soon as it reads the table
			defer close(done)
			for range 3000 {
				if c.Query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name IN ('holdfast', 'pg_dump') AND query LIKE 'COPY%'") != "0" {
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
		out := s.refused("no snapshot was made", "plan", "run", "shop")
		<-done
		if !strings.Contains(out, "big.dump") || !strings.Contains(out, "pg_dump: ") {
			t.Errorf("the reason is not told:\n%s", out)
		}
		if n := s.snapshots(); n != 0 {
			t.Errorf("%d snapshots of a dump that was killed", n)
		}
	}
}

// Passwords are used, wrong ones told, and never shown.
func TestPasswords(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		c := pgcluster.New(t, bin)
		fill(t, c)
		c.Exec("ALTER DATABASE shop OWNER TO postgres; ALTER ROLE postgres PASSWORD 'right-one'")
		hba := filepath.Join(c.Data, "pg_hba.conf")
		if err := os.WriteFile(hba, []byte("host all all 127.0.0.1/32 scram-sha-256\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Exec("SELECT pg_reload_conf()")
		s := newShop(t, c, "bin_dir: "+bin, "password: { file: pg }", "databases: [shop]")
		s.write("pg", "wrong-one\n")
		if out := s.refused("password authentication failed", "plan", "run", "shop"); strings.Contains(out, "wrong-one") {
			t.Errorf("the password is shown:\n%s", out)
		}
		s.write("pg", "right-one\n")
		s.run("plan", "run", "shop")
		to := strings.Replace(c.DSN(), "postgres@", "postgres:right-one@", 1)
		out := s.run("restore", "--plan", "shop", "--bin-dir", bin, "--to-server", to, "--into", "twin")
		if !strings.Contains(out, "can be seen by others") || strings.Contains(out, "right-one") {
			t.Errorf("a password on the command line:\n%s", out)
		}
		s.env = []string{"PGPASSWORD=right-one"}
		s.run("restore", "--plan", "shop", "--bin-dir", bin, "--to-server", "host=127.0.0.1 user=postgres port="+fmt.Sprint(c.Port), "--into", "thrice")
	}
}

// Dumps are proven like base backups; what is not right is found.
func TestVerify(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		c := pgcluster.New(t, bin)
		fill(t, c)
		s := newShop(t, c, "bin_dir: "+bin)
		s.run("plan", "run", "shop")
		out := s.run("verify", "--plan", "shop", "--bin-dir", bin, "--scratch", s.dir, "--database", "shop")
		if !strings.Contains(out, "PROVEN") || !strings.Contains(out, "4 of 4 tables have as many rows") {
			t.Errorf("verify says\n%s", out)
		}
		ask(t, c, "shop", "DELETE FROM sales.orders; DELETE FROM sales.items WHERE id = 1")
		s.run("plan", "run", "shop")
		s.refused("999, want = 1000", "verify", "--plan", "shop", "--bin-dir", bin, "--scratch", s.dir, "--database", "shop")
		if left, _ := filepath.Glob(filepath.Join(s.dir, "holdfast-*")); len(left) > 0 {
			t.Errorf("scratch was left behind: %s", left)
		}
	}
}

// An extension that the server lacks is told before anything is changed.
func TestMissingExtension(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		c, to := pgcluster.New(t, bin), pgcluster.New(t, bin)
		fill(t, c)
		// As if it came from a package that is not installed elsewhere.
		ask(t, c, "shop", "UPDATE pg_extension SET extname = 'far_away' WHERE extname = 'pg_trgm'")
		s := newShop(t, c, "bin_dir: "+bin, `databases: [shop, "odd/name 100%"]`)
		s.run("plan", "run", "shop")
		s.refused("does not have these extensions: far_away", "restore", "--plan", "shop", "--bin-dir", bin, "--to-server", to.DSN())
		if got := ask(t, to, "postgres", "SELECT (SELECT count(*) FROM pg_database) || ' ' || (SELECT count(*) FROM pg_roles WHERE rolname = 'clerk')"); got != "3 0" {
			t.Errorf("a refused restore left %s", got)
		}
	}
}

// Tables whose names have what parts names elsewhere come back from dumps, alone,
// into a database of their own and beside those in use.
func TestTableNames(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE DATABASE shop")
		ask(t, c, "shop", `CREATE SCHEMA "A,b.c"; CREATE SCHEMA "It's";
			CREATE TABLE "A,b.c"."d,""E""" AS SELECT 1 AS n; CREATE TABLE "A,b.c"."Items" AS SELECT 2 AS n; CREATE TABLE "It's"."a b, c" AS SELECT 3 AS n;
			CREATE TABLE items AS SELECT 4 AS n; CREATE TABLE "It's"."""quoted""" AS SELECT 5 AS n`)
		s := newShop(t, c, "bin_dir: "+bin, "databases: [shop]")
		s.run("plan", "run", "shop")
		restore := []string{"restore", "--plan", "shop", "--bin-dir", bin, "--database", "shop", "--to-server", in(c, "shop")}
		names := `"A,b.c"."d,""E""",A,b.c.Items`
		s.refused("there is no table", append(restore, "--table", names, "--into", "x")...) // its second part is two
		names = `"A,b.c"."d,""E""","A,b.c".Items,It's."a b, c"`
		const tables = `SELECT string_agg(nspname || '|' || relname, ' ' ORDER BY 1) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND c.oid >= 16384`
		s.run(append(restore, "--table", names, "--table", `It's."""quoted"""`, "--into", "alone")...)
		if got, want := ask(t, c, "alone", tables), `A,b.c|Items A,b.c|d,"E" It's|"quoted" It's|a b, c`; got != want {
			t.Errorf("alone: %s, want %s", got, want)
		}
		s.run(append(restore, "--table", names, "--to-schema", "back, again")...)
		if got := ask(t, c, "shop", `SELECT a.n + b.n + c.n FROM "back, again"."d,""E""" a, "back, again"."Items" b, "back, again"."a b, c" c`); got != "6" {
			t.Errorf("beside those in use: %s", got)
		}
		s.refused(`write it like schema.table`, append(restore, "--table", `"A,b.c`, "--into", "x")...)
	})
}
