package pgdump

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// shop is a plan with one PostgreSQL source that is dumped.
type shop struct {
	t      *testing.T
	dir    string
	binary string
	env    []string
}

// newShop makes a repository and a plan. More are lines of the source.
func newShop(t *testing.T, c *pgcluster.Cluster, more ...string) *shop {
	t.Helper()
	dir := pgcluster.Folder(t)
	s := &shop{t: t, dir: dir, binary: os.Getenv("HOLDFAST_TEST_BINARY")}
	s.write("password", "secret\n")
	check := `{ sql: "SELECT count(*) FROM sales.items", expect: "1000" }`
	if slices.Contains(more, "databases: [shop]") {
		check = ""
	}
	s.write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %s/repository, password: { file: password } }
sources:
  shop:
    postgres:
      dsn: "%s"
      method: dump
%s
plans:
  shop:
    sources: [shop]
    repository: local
    restore_test: { checks: [%s] }
`, dir, c.DSN(), "      "+strings.Join(more, "\n      "), check))
	s.run("init", "-r", "local")
	return s
}

func (s *shop) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.WriteFile(path, []byte(content), 0o700), pgcluster.Own(path)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) run(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *shop) try(args ...string) (string, error) {
	cmd := pgcluster.Command(s.binary, append([]string{"--config", filepath.Join(s.dir, "holdfast.yaml"), "--cache-dir", filepath.Join(s.dir, "cache")}, args...)...)
	cmd.Env = append(append(cmd.Env, "TMPDIR="+s.dir), s.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// refused runs holdfast, which must fail and say why.
func (s *shop) refused(why string, args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err == nil || !strings.Contains(out, why) {
		s.t.Errorf("holdfast %s: %v; want it refused with %q\n%s", strings.Join(args, " "), err, why, out)
	}
	return out
}

// snapshots counts them.
func (s *shop) snapshots() int {
	s.t.Helper()
	return strings.Count(s.run("snapshots", "-r", "local", "--json"), `"short_id"`)
}

// in is the connection string to another database of a cluster.
func in(c *pgcluster.Cluster, database string) string {
	return strings.TrimSuffix(c.DSN(), "postgres") + database
}

// ask returns the first value of a query in a database.
func ask(t *testing.T, c *pgcluster.Cluster, database, sql string) string {
	t.Helper()
	return strings.TrimSpace(pgcluster.Run(t, filepath.Join(c.Bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", in(c, database), "-c", sql))
}

// fill makes two databases with a bit of everything.
func fill(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	c.Exec("CREATE ROLE clerk LOGIN PASSWORD 'hush-hush'")
	c.Exec(`CREATE ROLE "The Boss" NOLOGIN; GRANT "The Boss" TO clerk`)
	c.Exec("CREATE DATABASE shop OWNER clerk")
	c.Exec(`CREATE DATABASE "odd/name 100%"`)
	c.Exec("ALTER DATABASE shop SET work_mem = '7MB'")
	for _, sql := range []string{
		"CREATE EXTENSION pg_trgm", "CREATE SCHEMA sales AUTHORIZATION clerk",
		"CREATE TYPE sales.size AS ENUM ('s', 'm')",
		"CREATE TABLE sales.items (id serial PRIMARY KEY, name text UNIQUE, size sales.size DEFAULT 's', data bytea)",
		"INSERT INTO sales.items (name, data) SELECT 'item ' || n, decode(repeat(md5(n::text), 20), 'hex') FROM generate_series(1, 1000) n",
		"CREATE INDEX items_trgm ON sales.items USING gin (name gin_trgm_ops)",
		"CREATE TABLE sales.orders (id int PRIMARY KEY, item int REFERENCES sales.items)",
		"INSERT INTO sales.orders SELECT n, n FROM generate_series(1, 500) n",
		"CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
		"CREATE TRIGGER touched BEFORE UPDATE ON sales.items FOR EACH ROW EXECUTE FUNCTION sales.touch()",
		"COMMENT ON TABLE sales.items IS 'what we sell'", "GRANT SELECT ON sales.items TO clerk",
		"CREATE TABLE public.notes (line text)", "INSERT INTO public.notes VALUES ('public')",
		"SELECT lo_from_bytea(4711, 'a large object')",
	} {
		ask(t, c, "shop", sql)
	}
	ask(t, c, "odd/name 100%25", "CREATE TABLE t AS SELECT generate_series(1, 10) n")
}
