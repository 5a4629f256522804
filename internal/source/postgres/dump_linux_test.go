package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/internal/backup"
	"holdfast/internal/source/postgres"
	"holdfast/repository/snapshot"
	"holdfast/test/pgcluster"
)

// A table that somebody keeps locked ends the dump, and there is no snapshot.
func TestDumpOfLockedTable(t *testing.T) {
	for _, bin := range pgcluster.Versions(t) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE held ()")
		conn, err := pgx.Connect(t.Context(), c.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.PgConn().Exec(t.Context(), "BEGIN; LOCK TABLE held").ReadAll(); err != nil {
			t.Fatal(err)
		}
		r := newRepository(t)
		if err := r.LoadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		src, err := postgres.StartDumps(t.Context(), postgres.DumpOptions{DSN: c.DSN(), Root: "shop", BinDir: bin, LockWait: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		_, err = backup.RunArrivals(t.Context(), r, src, backup.Options{
			Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/shop"}},
		}, nil)
		if err == nil || !strings.Contains(err.Error(), "postgres.dump") || !strings.Contains(err.Error(), "statement timeout") {
			t.Errorf("a dump of a locked table: %v", err)
		}
		if all, err := r.Snapshots(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%d snapshots, %v", len(all), err)
		}
	}
}
