package wal_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// archiver opens archives that it can both write and read.
type archiver struct {
	identity *age.X25519Identity
	signing  ed25519.PrivateKey
}

func newArchiver(t *testing.T) archiver {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, signing, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return archiver{identity, signing}
}

func (a archiver) open(t *testing.T, s storage.Store) *logarchive.Archive {
	t.Helper()
	archive, err := logarchive.New(s, logarchive.Options{
		Source: "shop", Recipients: []age.Recipient{a.identity.Recipient()}, Signing: a.signing, Identities: []age.Identity{a.identity},
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// eachVersion runs a test on a small cluster of each version of PostgreSQL.
func eachVersion(t *testing.T, test func(t *testing.T, c *pgcluster.Cluster)) {
	for version, bin := range pgcluster.Versions(t) {
		t.Run("PostgreSQL "+string(rune('0'+version/10))+string(rune('0'+version%10)), func(t *testing.T) {
			t.Parallel()
			test(t, pgcluster.New(t, bin))
		})
	}
}

// segments lists the names of the WAL segments in pg_wal, oldest first.
func segments(t *testing.T, c *pgcluster.Cluster) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.Data, "pg_wal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if f, err := postgres.ParseFileName(e.Name()); err == nil && f.Kind == postgres.SegmentFile {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

func walPath(c *pgcluster.Cluster, name string) string { return filepath.Join(c.Data, "pg_wal", name) }

// wantFetched fetches a file into a data directory of the same cluster and
// compares it with the server's own.
func wantFetched(t *testing.T, c *pgcluster.Cluster, a *logarchive.Archive, name string) {
	t.Helper()
	got := fetch(t, c, a, name)
	want, err := os.ReadFile(walPath(c, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s comes back with other bytes", name)
	}
}

func fetch(t *testing.T, c *pgcluster.Cluster, a *logarchive.Archive, name string) []byte {
	t.Helper()
	target := walPath(c, "RECOVERYXLOG")
	if err := wal.Fetch(t.Context(), name, target, wal.FetchOptions{Archive: a}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPush(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		c.Exec("CREATE TABLE numbers (n bigint)")
		for range 3 {
			c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000); SELECT pg_switch_wal()")
		}
		names := segments(t, c)
		done := names[:len(names)-1] // the last one is being written
		for range 2 {                // a second time, as after a crash of the server
			for _, name := range done {
				if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(archive)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, name := range done {
			wantFetched(t, c, archive, name)
		}
		o := wal.FetchOptions{Archive: archive}
		if err := wal.Fetch(t.Context(), "0000000100000001000000AA", walPath(c, "x"), o); !errors.Is(err, wal.ErrEnd) {
			t.Errorf("a segment after the end gives %v", err)
		}
		if err := wal.Fetch(t.Context(), "00000002.history", walPath(c, "x"), o); !errors.Is(err, wal.ErrEnd) {
			t.Errorf("the history of a timeline that is not gives %v", err)
		}
	})
}

func one(a *logarchive.Archive) wal.Archives { return wal.Archives{All: []*logarchive.Archive{a}} }

// What is not a whole segment of this cluster is never taken for one.
func TestPushRefuses(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		c.Exec("SELECT pg_switch_wal()")
		name := segments(t, c)[0]
		whole, err := os.ReadFile(walPath(c, name))
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(t.TempDir(), "data")
		for _, dir := range []string{"pg_wal", "global"} {
			if err := os.MkdirAll(filepath.Join(folder, dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		control, err := os.ReadFile(filepath.Join(c.Data, "global/pg_control"))
		if err != nil {
			t.Fatal(err)
		}
		write := func(name string, data []byte) string {
			path := filepath.Join(folder, name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		write("global/pg_control", control)
		foreign := slices.Clone(control)
		foreign[0] ^= 1
		for what, prepare := range map[string]func() string{
			"cut short":        func() string { return write("pg_wal/"+name, whole[:len(whole)-8192]) },
			"of zeros":         func() string { return write("pg_wal/"+name, make([]byte, len(whole))) },
			"under other name": func() string { return write("pg_wal/0000000100000000000000AA", whole) },
			"no WAL file":      func() string { return write("pg_wal/notes.txt", whole) },
			"of other cluster": func() string { write("global/pg_control", foreign); return write("pg_wal/"+name, whole) },
		} {
			if err := wal.Push(t.Context(), prepare(), wal.PushOptions{Archives: one(archive)}); err == nil {
				t.Errorf("a file %s is archived", what)
			}
			write("global/pg_control", control)
		}
		if found, err := archive.List(t.Context(), ""); err != nil || len(found) > 0 {
			t.Errorf("archived %v, %v", found, err)
		}
	})
}

// A gap is never taken for the end of the log.
func TestFetchGap(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		for range 3 {
			c.Exec("SELECT txid_current(); SELECT pg_switch_wal()")
		}
		names := segments(t, c)
		for k, name := range names[:3] {
			if k == 1 {
				continue
			}
			if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(archive)}); err != nil {
				t.Fatal(err)
			}
		}
		err := wal.Fetch(t.Context(), names[1], walPath(c, "x"), wal.FetchOptions{Archive: archive})
		if !errors.Is(err, wal.ErrGap) || !strings.Contains(err.Error(), names[2]) {
			t.Errorf("a gap gives %v", err)
		}
		if _, err := os.Stat(walPath(c, "x")); err == nil {
			t.Error("a failed fetch leaves a file")
		}
	})
}

// receiving is a receiver that runs.
type receiving struct {
	stop     context.CancelFunc
	ended    chan error
	archived atomic.Uint64
}

func receive(t *testing.T, dsn string, archives wal.Archives) *receiving {
	t.Helper()
	return receiveWith(t, wal.ReceiveOptions{Archives: archives, DSN: dsn, Slot: "holdfast", Uploads: 2})
}

func receiveWith(t *testing.T, o wal.ReceiveOptions) *receiving {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &receiving{stop: stop, ended: make(chan error, 1)}
	o.Progress = func(at wal.Received) { r.archived.Store(uint64(at.Archived)) }
	go func() { r.ended <- wal.Receive(ctx, o) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

// end stops the receiver and returns why it ended.
func (r *receiving) end(t *testing.T) error {
	t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(time.Minute):
		t.Error("the receiver does not end")
		return nil
	}
}

// failed waits until the receiver ends by itself.
func (r *receiving) failed(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(2 * time.Minute):
		t.Fatal("the receiver does not end")
		return nil
	}
}

// wantArchived waits until the archive has the WAL up to now.
func (r *receiving) wantArchived(t *testing.T, c *pgcluster.Cluster) postgres.LSN {
	t.Helper()
	now, err := postgres.ParseLSN(c.Query("SELECT pg_current_wal_flush_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); postgres.LSN(r.archived.Load()) < now; time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-r.ended:
			r.ended <- err
			t.Fatalf("the receiver ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the archive has WAL up to %s, the server up to %s", postgres.LSN(r.archived.Load()), now)
		}
	}
	return now
}

func TestReceive(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(archive))
		c.Exec("CREATE TABLE numbers (n bigint)")
		first := r.wantArchived(t, c)
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 800000)") // two segments and more
		r.wantArchived(t, c)
		if err := r.end(t); !errors.Is(err, context.Canceled) {
			t.Fatalf("a receiver that was stopped says %v", err)
		}
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 10)") // nobody is listening
		r = receive(t, c.DSN(), one(archive))
		end := r.wantArchived(t, c)
		r.end(t)
		found, err := archive.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		ranges := logarchive.Coverage(found)
		if len(ranges) != 1 || postgres.LSN(ranges[0].Start) > first || postgres.LSN(ranges[0].End) < end {
			t.Fatalf("the archive covers %+v, want up to %s", ranges, end)
		}
		whole := 0
		for _, s := range found {
			if s.Kind == logarchive.Whole {
				whole++
				wantFetched(t, c, archive, s.Name)
			}
		}
		if whole < 2 {
			t.Errorf("%d whole segments, want 2 or more", whole)
		}
		// The one being written comes back up to where it was archived.
		last := postgres.SegmentAt(1, end-1, postgres.DefaultSegmentBytes)
		got := fetch(t, c, archive, last.String())
		want, err := os.ReadFile(walPath(c, last.String()))
		if err != nil {
			t.Fatal(err)
		}
		n := int(end - last.Start(postgres.DefaultSegmentBytes))
		if len(got) != postgres.DefaultSegmentBytes || !bytes.Equal(got[:n], want[:n]) {
			t.Errorf("the segment that is being written comes back with other bytes")
		}
	})
}

// A synchronous commit returns only when the archive has it: what a client
// was told is committed is there, whatever dies.
func TestReceiveSynchronously(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		receive(t, c.DSN(), one(archive)).wantArchived(t, c)
		c.Exec("ALTER SYSTEM SET synchronous_standby_names = 'holdfast'")
		c.Exec("SELECT pg_reload_conf()")
		c.Exec("CREATE TABLE numbers (n bigint)")
		start := time.Now()
		for range 20 {
			c.Exec("INSERT INTO numbers VALUES (1)")
			at, err := postgres.ParseLSN(c.Query("SELECT pg_current_wal_insert_lsn()"))
			if err != nil {
				t.Fatal(err)
			}
			found, err := archive.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			ranges := logarchive.Coverage(found)
			// The position is taken after the commit record, by a transaction
			// that writes nothing.
			if end := postgres.LSN(ranges[len(ranges)-1].End); end < at-256 {
				t.Fatalf("committed at %s, archived up to %s", at, end)
			}
		}
		t.Logf("a synchronous commit takes %v", time.Since(start)/20)
	})
}

// The receiver follows a promotion on to the new timeline.
func TestReceiveFailover(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		archive := newArchiver(t).open(t, mem.New())
		r := receive(t, c.DSN(), one(archive))
		c.Exec("CREATE TABLE numbers (n bigint)")
		r.wantArchived(t, c)
		standby := pgcluster.Attach(t, c.Bin, filepath.Join(pgcluster.Folder(t), "data"))
		pgcluster.Run(t, filepath.Join(c.Bin, "pg_basebackup"), "-d", c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
		standby.Start()
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000)")
		r.wantArchived(t, c)
		standby.WaitReplayed(c)
		c.Kill()
		r.end(t)
		standby.Promote()
		standby.Exec("INSERT INTO numbers SELECT generate_series(1, 5000)")
		r = receive(t, standby.DSN(), one(archive))
		end := r.wantArchived(t, standby)
		r.end(t)
		found, err := archive.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		ranges := logarchive.Coverage(found)
		if len(ranges) != 2 || ranges[1].Line != 2 || postgres.LSN(ranges[1].End) < end {
			t.Fatalf("the archive covers %+v, want timeline 2 up to %s", ranges, end)
		}
		history := string(fetch(t, standby, archive, "00000002.history"))
		if !strings.HasPrefix(history, "1\t") {
			t.Errorf("the history of timeline 2 is %q", history)
		}
		// The server that was left behind is refused.
		c.Start()
		err = wal.Receive(t.Context(), wal.ReceiveOptions{Archives: one(archive), DSN: c.DSN(), Slot: "holdfast"})
		if err == nil || !strings.Contains(err.Error(), "fell behind a failover") {
			t.Errorf("the old primary gives %v", err)
		}
	})
}

// A store that is down ends the receiver, and nothing is confirmed that is
// not archived; later it goes on where the archive ends.
func TestReceiveOutage(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		down := errors.New("store is down")
		keys, inner := newArchiver(t), mem.New()
		c.Exec("CREATE TABLE numbers (n bigint)")
		store := fault.New(inner, 1, fault.Rule{Op: fault.OpPut, Skip: 9, Fault: fault.Before(down)})
		r := receive(t, c.DSN(), one(keys.open(t, store)))
		for range 200 {
			c.Exec("INSERT INTO numbers SELECT generate_series(1, 100)")
			if len(r.ended) > 0 {
				break
			}
		}
		if err := r.end(t); !errors.Is(err, down) {
			t.Fatalf("the receiver ended with %v", err)
		}
		confirmed, err := postgres.ParseLSN(c.Query("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'holdfast'"))
		if err != nil {
			t.Fatal(err)
		}
		archive := keys.open(t, inner)
		found, err := archive.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if ranges := logarchive.Coverage(found); len(ranges) > 0 && postgres.LSN(ranges[len(ranges)-1].End) < confirmed {
			t.Fatalf("confirmed up to %s, archived %+v", confirmed, ranges)
		}
		r = receive(t, c.DSN(), one(archive))
		end := r.wantArchived(t, c)
		r.end(t)
		found, err = archive.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if ranges := logarchive.Coverage(found); len(ranges) != 1 || postgres.LSN(ranges[0].End) < end {
			t.Fatalf("after the outage the archive covers %+v, want up to %s", ranges, end)
		}
	})
}

// With several archives and "any", one that is down holds up nothing.
func TestConfirmAny(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		down := errors.New("store is down")
		keys := newArchiver(t)
		broken := keys.open(t, fault.New(mem.New(), 1, fault.Rule{Op: fault.OpPut, Fault: fault.Before(down)}))
		good := keys.open(t, mem.New())
		c.Exec("SELECT pg_switch_wal()")
		name := segments(t, c)[0]
		both := wal.Archives{All: []*logarchive.Archive{broken, good}}
		if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: both}); !errors.Is(err, down) {
			t.Errorf("all: got %v", err)
		}
		both.Confirm = 1
		lagging := 0
		both.Lagging = func(string, error) { lagging++ }
		if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: both}); err != nil {
			t.Errorf("any: got %v", err)
		}
		wantFetched(t, c, good, name)
	})
}

// handOver starts a running holdfast that takes files.
func handOver(t *testing.T, socket string, o wal.PushOptions) *wal.HandOver {
	t.Helper()
	h, err := wal.NewHandOver(t.Context(), socket, "rule", o, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What is handed over is durable when it is answered for, and so is all before
// it; what waits goes ahead.
func TestHandOver(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		keys, inner := newArchiver(t), mem.New()
		archive := keys.open(t, fault.New(inner, 1, fault.Rule{Op: fault.OpPut, Fault: fault.Delay(20 * time.Millisecond)}))
		socket := filepath.Join(t.TempDir(), "run", "shop.socket")
		if err := wal.HandTo(t.Context(), socket, wal.Request{Path: walPath(c, "x"), Rule: "rule"}); !errors.Is(err, wal.ErrNobody) {
			t.Errorf("with nobody there: %v", err)
		}
		h := handOver(t, socket, wal.PushOptions{Archives: one(archive), Ahead: 8, Uploads: 8})
		if _, err := wal.NewHandOver(t.Context(), socket, "rule", wal.PushOptions{Archives: one(archive)}, func(string) error { return nil }); !errors.Is(err, wal.ErrTaken) {
			t.Errorf("a second one at the same socket: %v", err)
		}
		names := fillSegments(t, c, 12)
		if err := wal.HandTo(t.Context(), socket, wal.Request{Path: walPath(c, names[0]), Rule: "another rule"}); !errors.Is(err, wal.ErrNobody) {
			t.Errorf("with other settings: %v", err)
		}
		for k, name := range names {
			if err := wal.HandTo(t.Context(), socket, wal.Request{Path: walPath(c, name), Rule: "rule"}); err != nil {
				t.Fatal(err)
			}
			wantDurable(t, keys.open(t, inner), names[:k+1])
		}
		if err := wal.HandTo(t.Context(), socket, wal.Request{Path: walPath(c, "00000001000000000000FFFF"), Rule: "rule"}); err == nil || errors.Is(err, wal.ErrNobody) {
			t.Errorf("a file that is not there: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			wantFetched(t, c, keys.open(t, inner), name)
		}
		handOver(t, socket, wal.PushOptions{Archives: one(archive)}).Close()
	})
}

// fillSegments makes the server fill segments, marks them as waiting to be
// archived, and returns their names.
func fillSegments(t *testing.T, c *pgcluster.Cluster, n int) []string {
	t.Helper()
	c.Exec("CREATE TABLE IF NOT EXISTS numbers (n bigint)")
	for range n {
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 1000); SELECT pg_switch_wal()")
	}
	names := segments(t, c)
	names = names[:len(names)-1] // the last one is being written
	for _, name := range names {
		if err := os.WriteFile(walPath(c, "archive_status/"+name+".ready"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// wantDurable checks that an archive has all of some segments, which follow
// one another.
func wantDurable(t *testing.T, a *logarchive.Archive, names []string) {
	t.Helper()
	found, err := a.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	extent, err := a.Extent(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	last := names[len(names)-1]
	at := slices.IndexFunc(found, func(s logarchive.Segment) bool { return s.Name == last && s.Kind == logarchive.Whole })
	if at < 0 || len(extent.Ranges) == 0 || extent.Ranges[0].End < found[at].End {
		t.Fatalf("%s was confirmed, and the archive has %+v", last, extent)
	}
}
