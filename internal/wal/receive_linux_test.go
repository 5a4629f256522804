package wal_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// hold takes a slot and says nothing any more, as a receiver does whose host is
// gone.
func hold(t *testing.T, c *pgcluster.Cluster, slot string) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), c.DSN()+"?replication=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) }) //nolint:errcheck // the server has ended it
	at := c.Query("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '" + slot + "'")
	conn.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION SLOT " + slot + " PHYSICAL " + at})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); c.Query("SELECT active FROM pg_replication_slots WHERE slot_name = '"+slot+"'") != "t"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the slot does not get busy")
		}
	}
}

// A receiver waits for its slot for as long as the server takes a dead
// predecessor for alive, and says so; one that somebody else uses it leaves
// alone, and says that.
func TestReceiveBusySlot(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		c.Exec("ALTER SYSTEM SET wal_sender_timeout = '6s'")
		c.Exec("SELECT pg_reload_conf(); CREATE TABLE numbers (n bigint)")
		archive := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(archive))
		r.wantArchived(t, c)
		r.end(t)
		hold(t, c, "holdfast")
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000)")
		waits := make(chan time.Duration, 1)
		r = receiveWith(t, wal.ReceiveOptions{
			Archives: one(archive), DSN: c.DSN(), Slot: "holdfast",
			Busy: func(why error, within time.Duration) {
				if !strings.Contains(why.Error(), `"holdfast" is active`) {
					t.Errorf("it waits because of %v", why)
				}
				waits <- within
			},
		})
		r.wantArchived(t, c)
		if within := <-waits; within < 6*time.Second || within > time.Minute {
			t.Errorf("it waits for up to %v", within)
		}
		second := receiveWith(t, wal.ReceiveOptions{Archives: one(archive), DSN: c.DSN(), Slot: "holdfast"})
		if err := second.failed(t); err == nil || !strings.Contains(err.Error(), "another receiver runs with this slot") {
			t.Errorf("a second receiver ends with %v", err)
		}
		r.wantArchived(t, c)
	})
}

// A standby that takes over without what came last, segments of it, is archived
// from where it branched off; all that the old primary had sent stays.
func TestReceiveDiverged(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(archive))
		c.Exec("CREATE TABLE numbers (n bigint)")
		standby := pgcluster.Attach(t, c.Bin, filepath.Join(pgcluster.Folder(t), "data"))
		pgcluster.Run(t, filepath.Join(c.Bin, "pg_basebackup"), "-d", c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
		standby.Start()
		standby.WaitReplayed(c)
		standby.Stop()
		for range 3 {
			c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000); SELECT pg_switch_wal()")
		}
		c.Exec("INSERT INTO numbers VALUES (1)")
		end := r.wantArchived(t, c)
		r.end(t)
		c.Kill()
		standby.Start()
		standby.Promote()
		standby.Exec("INSERT INTO numbers VALUES (1)")
		left := make(chan postgres.LSN, 1)
		r = receiveWith(t, wal.ReceiveOptions{
			Archives: one(archive), DSN: standby.DSN(), Slot: "holdfast",
			Diverged: func(timeline uint32, at, archived postgres.LSN) {
				if timeline != 1 || archived < end {
					t.Errorf("timeline %d is archived up to %s, want 1 up to %s", timeline, archived, end)
				}
				left <- at
			},
		})
		now := r.wantArchived(t, standby)
		r.end(t)
		at := <-left
		extent, err := archive.Extent(t.Context(), "")
		if err != nil || len(extent.Gaps) > 0 || len(extent.Ranges) != 2 {
			t.Fatalf("the archive has %+v, %v", extent, err)
		}
		old, own := extent.Ranges[0], extent.Ranges[1]
		if postgres.LSN(old.End) < end || own.Line != 2 || postgres.LSN(own.Start) > at || postgres.LSN(own.End) < now {
			t.Errorf("left at %s, the archive covers %+v", at, extent.Ranges)
		}
		if h, err := wal.Inspect(t.Context(), archive); err != nil || len(h.Histories[2]) != 1 {
			t.Errorf("the history is %+v, %v", h, err)
		}
	})
}
