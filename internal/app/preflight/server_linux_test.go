package preflight_test

import (
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/app/preflight"
	"holdfast/test/pgcluster"
)

// Each lack is found, and gone once what the finding says was done.
func TestServer(t *testing.T) {
	bin := pgcluster.Versions(t)[15]
	c := pgcluster.New(t, bin, "wal_level = minimal", "max_wal_senders = 0", "max_replication_slots = 1", "archive_mode = off")
	c.Exec("CREATE ROLE agent LOGIN")
	dsn := strings.Replace(c.DSN(), "postgres@", "agent@", 1)
	base := preflight.Server{DSN: dsn, Stream: true, Push: true, Slot: "holdfast_shop", CountsRows: true, DataDirectory: c.Data}
	found := func(s preflight.Server, want ...string) {
		t.Helper()
		r := preflight.Report{Key: "sources.shop"}
		r.Server(t.Context(), s)
		got := text(r)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("got\n%s\nwithout\n%s", got, w)
			}
		}
		if len(r.Findings) != len(want) {
			t.Errorf("got %d findings, want %d:\n%s", len(r.Findings), len(want), got)
		}
	}
	answers := "ok PostgreSQL " + c.Query("SELECT split_part(current_setting('server_version'), ' ', 1)") + " answers agent"

	found(base,
		answers,
		`wrong agent may not replicate, which base backups take; ALTER ROLE "agent" REPLICATION`,
		"wrong wal_level is minimal: base backups and log archives take more; set wal_level = replica, and restart the server",
		"wrong max_wal_senders is 0, and up to 3 are needed; set max_wal_senders = 10, and restart the server",
		"wrong archive_mode is off: the server hands over no log; set archive_mode = on",
		`warning agent may not read all tables; GRANT pg_read_all_data TO "agent"`,
	)

	c.Exec(`ALTER ROLE "agent" REPLICATION`)
	c.Exec(`GRANT pg_read_all_data TO "agent"`)
	c.Stop()
	c.Configure("wal_level = replica", "max_wal_senders = 10", "archive_mode = on")
	c.Start()
	found(base, answers, "wrong archive_command is empty: the server hands over no log; set archive_command = 'holdfast wal push --plan PLAN %p', and reload the server")

	c.Exec("ALTER SYSTEM SET archive_command = 'holdfast wal push --plan PLAN %p'")
	c.Stop()
	c.Start()
	c.Exec("SELECT pg_create_physical_replication_slot('other')")
	found(base, answers, "wrong all 1 of max_replication_slots are in use, and the receiver makes one (holdfast_shop); raise max_replication_slots and restart the server, or drop slots that nobody uses")

	c.Exec("SELECT pg_drop_replication_slot('other')")
	found(base, answers)

	dumps := preflight.Server{DSN: dsn, Dump: true, BinDir: bin}
	found(dumps, answers, "warning agent is no superuser: the passwords of roles are not in the dumps; if they are needed, back up as a superuser")
	dumps.BinDir = t.TempDir()
	found(dumps, answers, "wrong pg_dump of PostgreSQL 15 or later is not here")

	c.Stop()
	pgcluster.Run(t, filepath.Join(bin, "pg_checksums"), "--disable", "-D", c.Data)
	c.Start()
	found(base, answers, "warning the cluster has no page checksums: damage on its disk is not noticed by backups; run pg_checksums --enable while the server is stopped")

	c.Stop()
	found(base, "wrong the server does not let us in: ")
}
