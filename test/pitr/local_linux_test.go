package pitr

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// local has the base backups of a shop read the data directory.
func (s *shop) local(c *pgcluster.Cluster, keys string) {
	s.t.Helper()
	s.write("holdfast.yaml", strings.Replace(read(s.t, s.config), "postgres: {", fmt.Sprintf("postgres: { data_directory: %s, %s", c.Data, keys), 1))
}

// taken is what a base backup says of itself.
type taken struct {
	MessageType string `json:"message_type"`
	Type        string `json:"type"`
	TypeReason  string `json:"type_reason"`
	Parent      string `json:"parent"`
	SnapshotID  string `json:"snapshot_id"`
	Unmodified  int    `json:"files_unmodified"`
	Read        uint64 `json:"bytes_read"`
	ReadBack    uint64 `json:"bytes_read_back"`
	Processed   uint64 `json:"total_bytes_processed"`
}

func (s *shop) backUp(kind string) (last taken) {
	s.t.Helper()
	return s.summary(s.run("plan", "run", "shop", "--type", kind, "--json"))
}

func (s *shop) summary(out string) (last taken) {
	s.t.Helper()
	for line := range strings.SplitSeq(out, "\n") {
		if strings.Contains(line, `"summary"`) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	if last.SnapshotID == "" {
		s.t.Fatalf("no summary of a backup:\n%s", out)
	}
	return last
}

// The types of backup, and what makes a full one of each. The server's version
// is nothing to them.
func TestLocalTypes(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[17]
	c := pgcluster.New(t, bin)
	c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) FROM generate_series(1, 300000) n")
	c.Exec("VACUUM")
	c.Exec("CHECKPOINT")
	s := newShop(t, bin, c.DSN(), "stream")
	s.local(c, "full_every: 6,")
	time.Sleep(2500 * time.Millisecond) // files must be older than this to be trusted

	first := s.backUp("incremental")
	if first.Type != "full" || !strings.Contains(first.TypeReason, "no base backup") {
		t.Errorf("the first backup: %+v", first)
	}
	second := s.backUp("incremental")
	if second.Type != "incremental" || second.Parent != first.SnapshotID || second.Read > second.Processed/4 || second.Unmodified == 0 {
		t.Errorf("the second backup: %+v", second)
	}
	c.Exec("UPDATE numbers SET md5 = 'changed' WHERE n = 7")
	if third := s.backUp("differential"); third.Type != "differential" || third.Parent != first.SnapshotID || third.Unmodified == 0 {
		t.Errorf("the third backup: %+v", third)
	}
	if fourth := s.backUp("full"); fourth.Type != "full" || fourth.TypeReason != "" || fourth.Unmodified != 0 || fourth.Read != fourth.Processed {
		t.Errorf("the fourth backup: %+v", fourth)
	}

	// A check that finds something takes the trust away, until all is read.
	packs, err := filepath.Glob(filepath.Join(s.dir, "repository", "data", "*", "*"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("packs %q, %v", packs, err)
	}
	if err := os.Remove(packs[0]); err != nil {
		t.Fatal(err)
	}
	if out, err := s.try("check", "-r", "local"); err == nil {
		t.Fatalf("a pack is gone, and the check finds nothing:\n%s", out)
	}
	if fifth := s.backUp("incremental"); fifth.Type != "full" || !strings.Contains(fifth.TypeReason, "the check of") {
		t.Errorf("after a failed check: %+v", fifth)
	}
	if sixth := s.backUp("incremental"); sixth.Type != "incremental" {
		t.Errorf("after all was read again: %+v", sixth)
	}
	s.run("verify", "--plan", "shop")

	// A page that is damaged is told of, every time.
	name := c.Query("SELECT pg_relation_filepath('numbers')")
	c.Stop()
	spoil(t, filepath.Join(c.Data, name))
	c.Start()
	for _, reason := range []string{"", "has damaged pages"} {
		out, err := s.try("plan", "run", "shop", "--json")
		if code := exitCodeOf(err); code != 3 || !strings.Contains(out, "block 5 of numbers of database postgres (file "+name+")") {
			t.Errorf("a damaged page: exit code %d\n%s", code, out)
		}
		if got := s.summary(out); !strings.Contains(got.TypeReason, reason) {
			t.Errorf("a damaged page: %+v", got)
		}
	}
	if out := s.run("snapshots", "-r", "local", "latest"); !strings.Contains(out, "full, damaged pages") {
		t.Errorf("the snapshot is not marked as damaged:\n%s", out)
	}
}

func exitCodeOf(err error) int {
	var code interface{ ExitCode() int }
	if errors.As(err, &code) {
		return code.ExitCode()
	}
	return 0
}

// spoil changes a bit in the sixth page of a file.
func spoil(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		content[5*8192+4000] ^= 1
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The rate of both ways is bounded, and a backup that is killed leaves the
// server as it was.
func TestLocalKilled(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[15]
	c := pgcluster.New(t, bin)
	s := newShop(t, bin, c.DSN(), "none")
	plain := read(t, s.config)
	for way, edit := range map[string]func(){
		"local":  func() { s.local(c, "rate: 8M,") },
		"remote": func() { s.write("holdfast.yaml", strings.Replace(plain, "postgres: {", "postgres: { rate: 8M, ", 1)) },
	} {
		s.write("holdfast.yaml", plain)
		edit()
		begun := time.Now()
		out := s.run("plan", "run", "shop", "--type", "full", "--json")
		got := s.summary(out)
		wantProgress(t, out, way, got.Processed)
		if least := time.Duration(float64(got.Processed-20<<20) / (8 << 20) * float64(time.Second)); time.Since(begun) < least { // the log, of 16 MiB, may come faster
			t.Errorf("%s: %d bytes took %v, less than %v", way, got.Processed, time.Since(begun), least)
		}
	}

	s.write("holdfast.yaml", plain)
	s.local(c, "rate: 64K,")
	cmd := s.command("plan", "run", "shop")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.wait("the backup to begin", func() bool {
		return c.Query("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'holdfast_local_%'") == "1"
	})
	if err := errors.Join(cmd.Process.Signal(syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	s.wait("the slot to go", func() bool { return c.Query("SELECT count(*) FROM pg_replication_slots") == "0" })
	c.Stop()
	c.Start()
	s.write("holdfast.yaml", plain)
	s.local(c, "")
	if got := s.backUp("incremental"); got.SnapshotID == "" {
		t.Error("no backup after one that was killed")
	}
}

// wantProgress checks what a backup said of its progress: how much there is to
// do, and percents that lead from nothing to all of it.
func wantProgress(t *testing.T, out, way string, processed uint64) {
	t.Helper()
	var percents []float64
	for line := range strings.Lines(out) {
		var m struct {
			Type    string  `json:"message_type"`
			Percent float64 `json:"percent_done"`
			Total   uint64  `json:"total_bytes"`
		}
		if json.Unmarshal([]byte(line), &m) != nil || m.Type != "status" {
			continue
		}
		if m.Total < processed*8/10 || m.Total > processed*12/10 {
			t.Errorf("%s: %d bytes are to be done, and %d were", way, m.Total, processed)
		}
		percents = append(percents, 100*m.Percent)
	}
	if n := len(percents); n < 3 || !slices.IsSorted(percents) || percents[0] > 50 || percents[n-1] < 10 || percents[n-1] > 100 {
		t.Errorf("%s: the progress was %.0f %%", way, percents)
	}
}

// wait waits until something is so.
func (s *shop) wait(what string, so func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A standby's base backup begins where it last wrote out its pages: segments
// before what it has replayed, and all of that is archived.
func TestLocalStandby(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[17]
	c := pgcluster.New(t, bin)
	standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
	pgcluster.Run(t, filepath.Join(bin, "pg_basebackup"), "-d", c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
	standby.Start()
	c.Exec("CREATE TABLE numbers AS SELECT n FROM generate_series(1, 1000) n")
	for range 3 {
		c.Exec("INSERT INTO numbers VALUES (1)")
		c.Exec("SELECT pg_switch_wal()")
	}
	at := c.Query("SELECT pg_current_wal_flush_lsn()")
	for _, way := range []string{"local", "remote"} {
		s := newShop(t, bin, standby.DSN(), "stream")
		if way == "local" {
			s.local(standby, "")
		}
		s.wait("the standby to catch up", func() bool { return standby.Query("SELECT pg_last_wal_replay_lsn() >= '"+at+"'") == "t" })
		s.backUp("full")
		if got := s.restore().Query("SELECT count(*) FROM numbers"); got != "1003" {
			t.Errorf("%s: the restored cluster has %s rows", way, got)
		}
	}
}

// The end of a backup of a standby is reached though the log has nothing after
// it that recovery could stop at: nobody writes to the primary, and the backup
// begins with the last thing that was written.
func TestIdleStandby(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, append(apart(t), "autovacuum = off")...)
		c.Exec("CREATE TABLE numbers AS SELECT n FROM generate_series(1, 1000) n")
		c.Stop() // ends its log with a checkpoint, which nothing follows
		data := filepath.Join(pgcluster.Folder(t), "data")
		pgcluster.Run(t, "cp", "-a", c.Data, data)
		standby := pgcluster.Attach(t, bin, data)
		standby.Configure(fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres'", c.Port))
		signal := filepath.Join(data, "standby.signal")
		if err := errors.Join(os.WriteFile(signal, nil, 0o600), pgcluster.Own(signal)); err != nil {
			t.Fatal(err)
		}
		standby.Start() // without its primary
		for _, wal := range []string{"stream", "none"} {
			s := newShop(t, bin, standby.DSN(), wal)
			s.backUp("full")
			if wal == "none" {
				byHand := s.restore("--to-backup-end")
				if got := byHand.Query("SELECT count(*) FROM numbers"); got != "1000" {
					t.Errorf("started by hand, it has %s rows", got)
				}
			} else if out, err := s.try("restore", "--plan", "shop", "--target", filepath.Join(pgcluster.Folder(t), "data"), "--to-backup-end"); err == nil || !strings.Contains(out, "add --start") {
				t.Errorf("without --start: %v\n%s", err, out)
			}
			back := filepath.Join(pgcluster.Folder(t), "data")
			out, err := s.try("restore", "--plan", "shop", "--target", back, "--to-backup-end", "--start")
			restored := pgcluster.Attach(t, bin, back)
			stopAfter(t, restored)
			if err != nil {
				t.Errorf("wal: %s: %v\n%s", wal, err, out)
				continue
			}
			pgcluster.Run(t, filepath.Join(bin, "pg_ctl"), "-D", back, "-m", "fast", "-w", "stop")
			restored.Start()
			if got := restored.Query("SELECT count(*) || ' ' || pg_is_in_recovery() FROM numbers"); got != "1000 false" {
				t.Errorf("wal: %s: the restored cluster has %s rows", wal, got)
			}
			if got, err := s.verify("--point", "backup-end"); err != nil || !got.Good || got.Rows == nil || got.Rows.Equal != 1 {
				t.Errorf("wal: %s: verify says %+v, %+v, %v", wal, got, got.Rows, err)
			}
		}
	})
}

// stopAfter stops a server after the test that a restore has started.
func stopAfter(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	t.Cleanup(func() {
		pgcluster.Command(filepath.Join(c.Bin, "pg_ctl"), "-D", c.Data, "-m", "immediate", "stop").Run() //nolint:errcheck // it may have ended
	})
}

// The rows of a standby that replays all the time are counted, and what differs
// is told and no alarm: it cannot say at which place of the log it shows them.
func TestBusyStandby(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT n FROM generate_series(1, 1000) n; CREATE TABLE busy (n int)")
		standby := pgcluster.Attach(t, bin, filepath.Join(pgcluster.Folder(t), "data"))
		pgcluster.Run(t, filepath.Join(bin, "pg_basebackup"), "-d", c.DSN(), "-D", standby.Data, "-R", "-X", "stream", "--no-sync", "-c", "fast")
		standby.Start()
		s := newShop(t, bin, standby.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		s.dsn = c.DSN() // where is written
		s.runWhileWriting("plan", "run", "shop")
		stop()
		for _, point := range []string{"newest", "backup-end"} {
			got, err := s.verify("--point", point)
			if err != nil || !got.Good || got.Rows == nil || got.Rows.Compared != 2 || got.Rows.Equal < 1 || len(got.Findings) > 0 {
				t.Errorf("%s: verify says %+v, %+v, %v", point, got, got.Rows, err)
			}
			if got.Rows != nil && got.Rows.Equal < 2 && (got.Rows.Exact || len(got.Rows.Notes) == 0) {
				t.Errorf("%s: rows differ, and nothing says why that may be: %+v", point, got.Rows)
			}
		}
	})
}
