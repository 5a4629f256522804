package pitr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// A server that cannot be backed up, or whose log cannot be received, is told
// of with what to do: nothing is stored, and no password is shown.
func TestBadServer(t *testing.T) {
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, "max_replication_slots = 1")
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		c.Exec("CREATE ROLE agent LOGIN PASSWORD 'right-one'")
		hba := filepath.Join(c.Data, "pg_hba.conf")
		rules := "host all postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
		if err := os.WriteFile(hba, []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Exec("SELECT pg_reload_conf()")
		s := newShop(t, bin, strings.Replace(c.DSN(), "postgres@", "agent@", 1), "stream")
		s.write("holdfast.yaml", strings.Replace(read(t, s.config), "postgres: {", "postgres: { password: { file: pg },", 1))
		refused := func(what, why, next string) {
			t.Helper()
			for _, args := range [][]string{{"plan", "run", "shop"}, {"wal", "receive", "--plan", "shop", "--once"}} {
				out, err := s.try(args...)
				if err == nil || !strings.Contains(out, why) || !strings.Contains(out, next) || strings.Contains(out, "-one") {
					t.Errorf("%s: holdfast %s: %v\n%s", what, strings.Join(args, " "), err, out)
				}
			}
			if out := s.run("snapshots", "-r", "local", "--json"); strings.TrimSpace(out) != "[]" {
				t.Errorf("%s: there are snapshots %s", what, out)
			}
		}
		s.write("pg", "wrong-one\n")
		refused("a wrong password", `password authentication failed for user "agent"`, "; correct the password that the source refers to")
		s.write("pg", "right-one\n")
		refused("no replication right", "REPLICATION", `; ALTER ROLE "agent" REPLICATION lets it`)
		c.Exec("ALTER ROLE agent REPLICATION; GRANT pg_read_all_data TO agent")
		if err := os.WriteFile(hba, []byte(strings.Replace(rules, "host replication all", "host replication postgres", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Exec("SELECT pg_reload_conf()")
		refused("pg_hba.conf does not let it", "no pg_hba.conf entry for replication connection", "; pg_hba.conf needs a line such as: host replication agent samenet scram-sha-256")
		if err := os.WriteFile(hba, []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Exec("SELECT pg_reload_conf(); SELECT pg_create_physical_replication_slot('other')")
		refused("no slot is free", "all replication slots are in use", "; drop one that nobody reads (pg_drop_replication_slot), or raise max_replication_slots and restart the server")
		c.Exec("SELECT pg_drop_replication_slot('other')")
		c.Stop()
		c.Configure("wal_level = minimal", "max_wal_senders = 0")
		c.Start()
		refused("wal_level is minimal", "max_wal_senders", "; set wal_level = replica and a larger max_wal_senders (10 is usual), and restart the server")
		s = newShop(t, bin, c.DSN(), "none")
		s.local(c, "")
		if out, err := s.try("plan", "run", "shop"); err == nil || !strings.Contains(out, "set wal_level = replica, and restart the server") {
			t.Errorf("wal_level is minimal, and the data directory is read: %v\n%s", err, out)
		}
	})
}

// A base backup is good only when the archive has the log that it needs: until
// then there is no snapshot.
func TestBackupWaitsForItsLog(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[15]
	c, s := archiving(t, bin, "push") // which archives nothing yet
	backup := s.start("plan", "run", "shop")
	s.wait("the server to have sent all", func() bool {
		return c.Query("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.backup.ready'") == "1" // it is written at the end
	})
	for range 3 {
		if out := s.run("snapshots", "-r", "local", "--json"); strings.TrimSpace(out) != "[]" {
			t.Fatalf("a backup without its log counts:\n%s", out)
		}
	}
	s.archiveTo(c)
	<-backup.ended
	if out := s.run("snapshots", "-r", "local"); !strings.Contains(out, "1 snapshot") {
		t.Errorf("the archive has the log, and there is\n%s\n%s", out, strings.Join(backup.printed(), "\n"))
	}
	s.restore("--to-backup-end").Stop()
}

// Another cluster's data directory is not written over, whatever is said.
func TestAnotherCluster(t *testing.T) {
	bin := pgcluster.Versions(t)[17]
	c, other := pgcluster.New(t, bin), pgcluster.New(t, bin)
	c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
	s := newShop(t, bin, c.DSN(), "none")
	s.run("plan", "run", "shop")
	other.Stop()
	if out, err := s.try("restore", "--plan", "shop", "--target", other.Data, "--delete", "--to-backup-end"); err == nil || !strings.Contains(out, "holds another cluster") {
		t.Errorf("another cluster: %v\n%s", err, out)
	}
	other.Start()
}
