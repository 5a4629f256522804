package install

import (
	"os"
	"strings"
	"testing"

	"holdfast/test/tools"
)

// A PostgreSQL on the service's machine is backed up, its log is archived, and
// it is restored and started for tests, all of it by the service: as its user,
// and within the limits of its unit.
func TestPostgreSQLInTheUnit(t *testing.T) {
	t.Parallel()
	m := bootFrom(t, tools.DebianDatabase(t))
	m.copyIn(os.Getenv("HOLDFAST_TEST_BINARY"), "/usr/local/bin/holdfast")
	wait(t, "the server answers", func() bool {
		_, err := m.try("pg_isready", "--quiet", "--host=127.0.0.1")
		return err == nil
	})
	m.sql("postgres", "CREATE ROLE backup LOGIN REPLICATION PASSWORD 'secret'; GRANT pg_read_all_data TO backup;")
	m.sql("postgres", "CREATE DATABASE shop;")
	m.sql("shop", "CREATE TABLE orders AS SELECT n AS id, repeat('x', 100) AS what FROM generate_series(1, 20000) n;")
	m.run("holdfast", "--config", "/etc/holdfast/holdfast.yaml", "protect", "postgres://backup:secret@127.0.0.1/shop", "--to", "/srv/backups")
	m.run("holdfast", "service", "install", "--now")
	m.waitActive()
	m.checkPrivileges()

	m.sql("shop", "INSERT INTO orders SELECT n, 'new' FROM generate_series(20001, 20500) n;")
	m.do("plans/shop/backup", "backup")
	m.sql("shop", "INSERT INTO orders SELECT n, 'newer' FROM generate_series(20501, 21000) n;")
	m.do("plans/shop/restore-test", "restore-test")
	log := m.run("holdfast", "run", "show", m.runs("restore-test")[0].ID, "--log")
	for _, want := range []string{"recover", "page checksums"} {
		has(t, log, want)
	}
	if left := strings.TrimSpace(m.run("find", "/var/tmp", "/tmp", "-path", "*holdfast-*", "-name", "postmaster.pid")); left != "" {
		t.Errorf("servers of tests are left: %s", left)
	}
}

// sql has the server's own administrator do something.
func (m *machine) sql(database, text string) {
	m.t.Helper()
	m.run("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname="+database, "--command="+text)
}
