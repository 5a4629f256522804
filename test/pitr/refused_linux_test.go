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
		refused := func(what string, why ...string) {
			t.Helper()
			for k, args := range [][]string{{"plan", "run", "shop"}, {"wal", "receive", "--plan", "shop", "--once"}} {
				if why[k] == "" {
					continue
				}
				out, err := s.try(args...)
				if err == nil || !strings.Contains(out, why[k]) || strings.Contains(out, "-one") {
					t.Errorf("%s: holdfast %s: %v\n%s", what, strings.Join(args, " "), err, out)
				}
			}
			if out := s.run("snapshots", "-r", "local", "--json"); strings.TrimSpace(out) != "[]" {
				t.Errorf("%s: there are snapshots %s", what, out)
			}
		}
		s.write("pg", "wrong-one\n")
		refused("a wrong password", "password authentication failed", "password authentication failed")
		s.write("pg", "right-one\n")
		refused("no replication right", `ALTER ROLE "agent" REPLICATION`, `ALTER ROLE "agent" REPLICATION`)
		c.Exec("ALTER ROLE agent REPLICATION; GRANT pg_read_all_data TO agent")
		c.Exec("SELECT pg_create_physical_replication_slot('other')")
		refused("no slot is free", "", "max_replication_slots")
		c.Exec("SELECT pg_drop_replication_slot('other')")
		c.Stop()
		c.Configure("wal_level = minimal", "max_wal_senders = 0")
		c.Start()
		refused("wal_level is minimal", "max_wal_senders", "max_wal_senders")
	})
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
