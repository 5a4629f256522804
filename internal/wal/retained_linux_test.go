package wal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// losses collects what is let go.
type losses struct {
	mu   sync.Mutex
	all  []wal.Loss
	file *wal.Losses
}

func newLosses(t *testing.T) *losses {
	return &losses{file: wal.NewLosses(filepath.Join(t.TempDir(), "state", "shop.lost"))}
}

func (l *losses) letGo(loss wal.Loss) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, loss)
	return l.file.Add(loss)
}

func (l *losses) list() []wal.Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// While the store is down the server keeps its log, up to the bound; what is
// beyond is let go, noted, and told to the archive when it is back.
func TestPushRetained(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		down := errors.New("store is down")
		keys, inner := newArchiver(t), mem.New()
		store := fault.New(inner, 1)
		lost := newLosses(t)
		o := wal.PushOptions{Archives: one(keys.open(t, store)), Uploads: 4}
		names := fillSegments(t, c, 6)
		if err := wal.Push(t.Context(), walPath(c, names[0]), o); err != nil {
			t.Fatal(err)
		}
		store.Add(fault.Rule{Op: fault.OpPut, Fault: fault.Before(down)})
		o.Retained = wal.Retained{MaxBytes: 16 * postgres.DefaultSegmentBytes, LetGo: lost.letGo, Losses: lost.file}
		if err := wal.Push(t.Context(), walPath(c, names[1]), o); !errors.Is(err, down) {
			t.Fatalf("below the bound: %v", err)
		}
		o.MaxBytes = 2 * postgres.DefaultSegmentBytes
		if err := wal.Push(t.Context(), walPath(c, names[1]), o); err != nil {
			t.Fatalf("above the bound: %v", err)
		}
		if err := wal.Push(t.Context(), walPath(c, names[2]), o); err != nil {
			t.Fatalf("above the bound: %v", err)
		}
		noted, err := lost.file.All()
		if err != nil || len(noted) != 1 || noted[0].Name != names[1] || noted[0].End-noted[0].Start != 2*postgres.DefaultSegmentBytes {
			t.Fatalf("noted %+v, %v", noted, err)
		}
		store.Clear()
		for _, name := range names[3:] {
			if err := wal.Push(t.Context(), walPath(c, name), o); err != nil {
				t.Fatal(err)
			}
		}
		wantLost(t, keys.open(t, inner), noted[0])
		if noted, err := lost.file.All(); err != nil || len(noted) > 0 {
			t.Errorf("still noted %+v, %v", noted, err)
		}
	})
}

// wantLost checks that an archive has a gap, and says why.
func wantLost(t *testing.T, a *logarchive.Archive, want wal.Loss) {
	t.Helper()
	status, err := wal.Inspect(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Gaps) != 1 || postgres.LSN(status.Gaps[0].Start) != want.Start || postgres.LSN(status.Gaps[0].End) != want.End {
		t.Fatalf("gaps %v, want %s to %s", status.Gaps, want.Start, want.End)
	}
	if len(status.Lost) == 0 || !strings.Contains(status.Lost[0].Why, want.Why) {
		t.Errorf("lost are %+v, want %+v", status.Lost, want)
	}
}

// WAL that the server has removed is a gap; the receiver says so and goes on
// with what there is.
func TestReceiveRemoved(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(archive))
		c.Exec("CREATE TABLE numbers (n bigint)")
		end := r.wantArchived(t, c)
		r.end(t)
		dropSlot(c)
		forgetWAL(t, c)
		lost := newLosses(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		err := wal.Receive(ctx, wal.ReceiveOptions{Archives: one(archive), DSN: c.DSN(), Slot: "holdfast", Uploads: 2})
		if !errors.Is(err, wal.ErrRemoved) {
			t.Fatalf("a receiver that may lose nothing says %v", err)
		}
		r = receiveWith(t, wal.ReceiveOptions{
			Archives: one(archive), DSN: c.DSN(), Slot: "holdfast", Uploads: 2,
			Retained: wal.Retained{LetGo: lost.letGo, Losses: lost.file},
		})
		c.Exec("INSERT INTO numbers VALUES (1)")
		r.wantArchived(t, c)
		r.end(t)
		all := lost.list()
		if len(all) == 0 || all[0].Start != end || all[0].End <= end {
			t.Fatalf("lost %+v, archived was up to %s", all, end)
		}
		wantLost(t, archive, all[0])
	})
}

// dropSlot drops the slot as soon as the server has noticed that the receiver is
// gone.
func dropSlot(c *pgcluster.Cluster) {
	c.Exec(`DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_replication_slots WHERE active) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$`)
	c.Exec("SELECT pg_drop_replication_slot('holdfast')")
}

// forgetWAL makes the server write and remove WAL until it lacks the oldest.
func forgetWAL(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	oldest := segments(t, c)[0]
	for range 50 {
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000); SELECT pg_switch_wal()")
		c.Exec("CHECKPOINT")
		if segments(t, c)[0] > oldest {
			return
		}
	}
	t.Fatal("the server removes no WAL")
}

// A slot that the server has invalidated is made anew, and the gap is told.
func TestReceiveInvalidated(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(archive))
		c.Exec("CREATE TABLE numbers (n bigint)")
		r.wantArchived(t, c)
		r.end(t)
		c.Exec("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
		c.Exec("SELECT pg_reload_conf()")
		for range 50 {
			c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000); SELECT pg_switch_wal()")
			c.Exec("CHECKPOINT")
			if c.Query("SELECT wal_status FROM pg_replication_slots") == "lost" {
				break
			}
		}
		lost := newLosses(t)
		r = receiveWith(t, wal.ReceiveOptions{
			Archives: one(archive), DSN: c.DSN(), Slot: "holdfast", Uploads: 2,
			Retained: wal.Retained{LetGo: lost.letGo, Losses: lost.file},
		})
		c.Exec("INSERT INTO numbers VALUES (1)")
		r.wantArchived(t, c)
		if all := lost.list(); len(all) == 0 {
			t.Error("nothing is told of the gap")
		}
		if state := c.Query("SELECT wal_status FROM pg_replication_slots"); state == "lost" {
			t.Error("the slot is still lost")
		}
	})
}

// While the store is down a receiver's slot keeps no more than the bound on
// the server; without a bound it keeps all.
func TestReceiveRetained(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		down := errors.New("store is down")
		keys, inner := newArchiver(t), mem.New()
		store := fault.New(inner, 1)
		lost := newLosses(t)
		o := wal.ReceiveOptions{
			Archives: one(keys.open(t, store)), DSN: c.DSN(), Slot: "holdfast", Uploads: 2,
			Retained: wal.Retained{MaxBytes: 4 * postgres.DefaultSegmentBytes, LetGo: lost.letGo, Losses: lost.file},
		}
		r := receiveWith(t, o)
		c.Exec("CREATE TABLE numbers (n bigint)")
		r.wantArchived(t, c)
		store.Add(fault.Rule{Op: fault.OpPut, Fault: fault.Before(down)})
		c.Exec("INSERT INTO numbers VALUES (1)")
		if err := r.failed(t); !errors.Is(err, down) {
			t.Fatalf("the receiver ended with %v", err)
		}
		if len(lost.list()) > 0 {
			t.Fatalf("below the bound %+v was let go", lost.list())
		}
		for range 6 {
			c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000); SELECT pg_switch_wal()")
		}
		if err := wal.Receive(t.Context(), o); !errors.Is(err, down) {
			t.Fatalf("the receiver ended with %v", err)
		}
		all := lost.list()
		if len(all) == 0 {
			t.Fatal("above the bound nothing was let go")
		}
		waitForSlot(t, c, all[len(all)-1].End)
		store.Clear()
		forgetWAL(t, c)
		r = receiveWith(t, o)
		c.Exec("INSERT INTO numbers VALUES (2)")
		r.wantArchived(t, c)
		r.end(t)
		status, err := wal.Inspect(t.Context(), keys.open(t, inner))
		if err != nil {
			t.Fatal(err)
		}
		if len(status.Gaps) != 1 || len(status.Lost) == 0 {
			t.Errorf("gaps %v, lost %+v", status.Gaps, status.Lost)
		}
	})
}

// waitForSlot waits until the slot has moved on.
func waitForSlot(t *testing.T, c *pgcluster.Cluster, to postgres.LSN) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); c.Query(fmt.Sprintf("SELECT restart_lsn >= '%s' FROM pg_replication_slots", to)) != "t"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the slot keeps WAL from %s on, want %s", c.Query("SELECT restart_lsn FROM pg_replication_slots"), to)
		}
	}
}

// After a crash the archives of one log may end at different places; the
// receiver goes on where the least one does.
func TestReceiveLevelsArchives(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		keys := newArchiver(t)
		first, second := keys.open(t, mem.New()), mem.New()
		store := fault.New(second, 1)
		both := wal.Archives{All: []*logarchive.Archive{first, keys.open(t, store)}}
		r := receiveWith(t, wal.ReceiveOptions{Archives: both, DSN: c.DSN(), Slot: "holdfast", Uploads: 2})
		c.Exec("CREATE TABLE numbers (n bigint)")
		r.wantArchived(t, c)
		store.Add(fault.Rule{Op: fault.OpPut, Fault: fault.Before(errors.New("store is down"))})
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 300000)")
		r.failed(t)
		store.Clear()
		r = receiveWith(t, wal.ReceiveOptions{Archives: both, DSN: c.DSN(), Slot: "holdfast", Uploads: 2})
		end := r.wantArchived(t, c)
		r.end(t)
		for _, archive := range both.All {
			status, err := wal.Inspect(t.Context(), archive)
			if err != nil {
				t.Fatal(err)
			}
			if len(status.Parts) != 1 || postgres.LSN(status.Parts[0].End) < end {
				t.Errorf("an archive has %+v, want up to %s", status.Parts, end)
			}
		}
		last := postgres.SegmentAt(1, end-1, postgres.DefaultSegmentBytes)
		for _, archive := range both.All {
			fetch(t, c, archive, last.String())
		}
	})
}
