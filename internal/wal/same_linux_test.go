package wal_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// twin copies a cluster that was stopped, and has both begin timeline 2, apart
// from each other and at the same position.
func twin(t *testing.T, c *pgcluster.Cluster) *pgcluster.Cluster {
	t.Helper()
	c.Stop()
	data := filepath.Join(pgcluster.Folder(t), "data")
	pgcluster.Run(t, "cp", "-a", c.Data, data)
	other := pgcluster.Attach(t, c.Bin, data)
	for _, one := range []*pgcluster.Cluster{c, other} {
		signal := filepath.Join(one.Data, "standby.signal")
		if err := errors.Join(os.WriteFile(signal, nil, 0o600), pgcluster.Own(signal)); err != nil {
			t.Fatal(err)
		}
		one.Start()
		one.Promote()
	}
	return other
}

// write has a server write some log, and end a segment if asked.
func write(c *pgcluster.Cluster, ends bool) {
	c.Exec("INSERT INTO numbers SELECT (random() * 1000)::bigint FROM generate_series(1, 1000)")
	if ends {
		c.Exec("SELECT pg_switch_wal()")
	}
}

func slotsOf(c *pgcluster.Cluster) string {
	return c.Query("SELECT count(*) FROM pg_replication_slots")
}

// Two copies of a cluster that were promoted apart from each other are on one
// timeline. The archive has that of the first one alone, wherever it ends.
func TestTwoCourses(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		c.Exec("CREATE TABLE numbers (n bigint)")
		other := twin(t, c)
		// The other one writes less: what comes after the end of the archive would
		// be its own.
		for _, ends := range []bool{false, true, false} {
			archive := newArchiver(t).open(t, mem.New())
			r := receive(t, c.DSN(), one(archive))
			write(c, ends)
			write(other, ends)
			r.wantArchived(t, c)
			r.end(t)
			for range 3 { // it is ahead of the archive
				write(other, ends)
			}
			before, err := archive.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			refused := receiveWith(t, wal.ReceiveOptions{Archives: one(archive), DSN: other.DSN(), Slot: "holdfast"})
			if err := refused.failed(t); !errors.Is(err, wal.ErrOtherCourse) || !strings.Contains(err.Error(), "a source of its own") {
				t.Errorf("ends %v: the other course ends with %v", ends, err)
			}
			if after, err := archive.List(t.Context(), ""); err != nil || !slices.Equal(after, before) {
				t.Errorf("ends %v: the archive was changed: %v, %v, was %v", ends, after, err, before)
			}
			if got := slotsOf(other); got != "0" {
				t.Errorf("ends %v: %s slots are left behind", ends, got)
			}
			r = receive(t, c.DSN(), one(archive)) // the right one goes on
			write(c, false)
			r.wantArchived(t, c)
			r.end(t)
		}
	})
}

// Where the server has removed the segment before the end of the archive, nothing
// tells whether it goes on there, unless its slot does.
func TestNothingToCompare(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		c.Exec("CREATE TABLE numbers (n bigint)")
		archive := newArchiver(t).open(t, mem.New())
		// archived has the archive end with a segment that the server removes.
		archived := func() {
			t.Helper()
			for range 10 { // the server writes by itself now and then
				r := receive(t, c.DSN(), one(archive))
				r.wantArchived(t, c) // it has begun
				write(c, true)
				r.wantArchived(t, c)
				r.end(t)
				e, err := archive.Extent(t.Context(), "")
				if err != nil || len(e.Ranges) != 1 {
					t.Fatalf("the archive has %+v, %v", e, err)
				}
				if e.Ranges[0].End%postgres.DefaultSegmentBytes != 0 {
					continue
				}
				c.Exec("CHECKPOINT")
				last := postgres.SegmentAt(1, postgres.LSN(e.Ranges[0].End)-1, postgres.DefaultSegmentBytes).String()
				if !slices.Contains(segments(t, c), last) {
					return
				}
			}
			t.Fatal("the archive does not end with a segment that the server has removed")
		}
		archived()
		archived() // its slot tells
		dropSlot(c)
		o := wal.ReceiveOptions{Archives: one(archive), DSN: c.DSN(), Slot: "holdfast"}
		if err := receiveWith(t, o).failed(t); err == nil || !strings.Contains(err.Error(), "nothing tells whether the log of this server continues the archive") {
			t.Errorf("a receiver that has nothing to compare ends with %v", err)
		}
		if got := slotsOf(c); got != "0" {
			t.Errorf("%s slots are left behind", got)
		}
		o.Adopt = true
		r := receiveWith(t, o)
		r.wantArchived(t, c)
		r.end(t)
		if e, err := archive.Extent(t.Context(), ""); err != nil || len(e.Gaps) > 0 || len(e.Ranges) != 1 {
			t.Errorf("the archive has %+v, %v", e, err)
		}
	})
}

// A server that was restored is not archived before it is adopted, by a receiver or
// by what it hands over; nor is what comes of it. Nothing is left on it.
func TestRestoredServer(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		c.Exec("CREATE TABLE numbers (n bigint)")
		original := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(original))
		write(c, true)
		r.wantArchived(t, c)
		r.end(t)
		other := twin(t, c)
		conf := filepath.Join(other.Data, "postgresql.auto.conf")
		if err := errors.Join(os.WriteFile(conf, []byte("recovery_target_timeline = '1'\n"+postgres.RestoredSetting+" = 'two'\n"), 0o600), pgcluster.Own(conf)); err != nil {
			t.Fatal(err)
		}
		conf = filepath.Join(c.Data, "postgresql.auto.conf")
		if err := errors.Join(os.WriteFile(conf, []byte("recovery_target_timeline = '1'\n"+postgres.RestoredSetting+" = 'zero'\n"+postgres.RestoredSetting+" = 'one'\n"), 0o600), pgcluster.Own(conf)); err != nil {
			t.Fatal(err)
		}
		for _, one := range []*pgcluster.Cluster{c, other} {
			one.Stop()
			one.Start()
			one.Exec("ALTER SYSTEM SET work_mem = '8MB'") // the server writes the file anew
			write(one, true)
		}
		o := wal.ReceiveOptions{Archives: one(original), DSN: c.DSN(), Slot: "restored"}
		tryPush := func(c *pgcluster.Cluster) error {
			var second string
			for _, name := range segments(t, c) {
				if strings.HasPrefix(name, "00000002") {
					second = name
					break
				}
			}
			return wal.Push(t.Context(), walPath(c, second), wal.PushOptions{Archives: one(original)})
		}
		if err := receiveWith(t, o).failed(t); !errors.Is(err, wal.ErrRestored) || !strings.Contains(err.Error(), "--adopt") {
			t.Errorf("a receiver of a restored server ends with %v", err)
		}
		if err := tryPush(c); !errors.Is(err, wal.ErrRestored) {
			t.Errorf("a restored server that pushes: %v", err)
		}
		if got := c.Query("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'restored'"); got != "0" {
			t.Error("a slot is left on the restored server")
		}
		if there, err := original.Line(t.Context(), c.Query("SELECT system_identifier FROM pg_control_system()"), 2); err != nil || len(there) > 0 {
			t.Errorf("the archive has %v, %v", there, err)
		}
		adopted := o
		adopted.Adopt = true
		r = receiveWith(t, adopted)
		r.wantArchived(t, c)
		r.end(t)
		r = receiveWith(t, o) // from then on
		write(c, true)
		r.wantArchived(t, c)
		r.end(t)
		if err := tryPush(c); err != nil {
			t.Errorf("an adopted server pushes: %v", err)
		}
		o.DSN, adopted.DSN = other.DSN(), other.DSN()
		for _, o := range []wal.ReceiveOptions{o, adopted} {
			if err := receiveWith(t, o).failed(t); o.Adopt && !errors.Is(err, wal.ErrOtherCourse) || !o.Adopt && !errors.Is(err, wal.ErrRestored) {
				t.Errorf("the other restored server, adopt %v: %v", o.Adopt, err)
			}
		}
		if got := other.Query("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'restored'"); got != "0" {
			t.Error("a slot is left on the other restored server")
		}
	})
}

// Where archiving was turned on after a promotion, the server does not hand over
// what it wrote before: what it hands over must continue the archive all the same.
func TestPushedOfOtherCourse(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		c.Exec("CREATE TABLE numbers (n bigint)")
		other := twin(t, c)
		archive := newArchiver(t).open(t, mem.New())
		o := wal.PushOptions{Archives: one(archive)}
		for range 4 {
			write(c, true)
			write(other, true)
		}
		var second []string
		for _, name := range segments(t, other) {
			if strings.HasPrefix(name, "00000002") {
				second = append(second, name)
			}
		}
		push := func(c *pgcluster.Cluster, name string) error { return wal.Push(t.Context(), walPath(c, name), o) }
		for _, name := range second[:2] {
			if err := push(c, name); err != nil {
				t.Fatal(err)
			}
		}
		for k, name := range second[:3] {
			if err := push(other, name); !errors.Is(err, wal.ErrOtherCourse) {
				t.Errorf("segment %d of the other course: %v", k, err)
			}
		}
		if err := push(c, second[2]); err != nil {
			t.Errorf("the right one goes on: %v", err)
		}
	})
}
