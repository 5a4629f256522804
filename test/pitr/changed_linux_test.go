package pitr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/pgcluster"
)

// A server that notes which blocks change sends only those. Every snapshot
// comes back by itself, and with the log to any instant after it; one whose
// earlier snapshot is damaged is a full one and says so.
func TestChangedBlocks(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[17]
	c := pgcluster.New(t, bin, "summarize_wal = on")
	c.Exec("CREATE TABLE numbers AS SELECT n, md5(n::text) AS v FROM generate_series(1, 200000) n; CREATE INDEX ON numbers (n)")
	s := newShop(t, bin, c.DSN(), "stream")
	full := s.backUp("incremental")
	if full.Type != "full" || !strings.Contains(full.TypeReason, "no base backup of this source yet") {
		t.Errorf("the first backup: %+v", full)
	}
	c.Exec("UPDATE numbers SET v = 'first' WHERE n BETWEEN 1000 AND 3000")
	first := s.backUp("incremental")
	c.Exec("UPDATE numbers SET v = 'second' WHERE n % 500 = 0")
	second := s.backUp("incremental")
	differential := s.backUp("differential")
	for _, b := range []struct {
		taken
		kind, parent string
	}{{first, "incremental", full.SnapshotID}, {second, "incremental", first.SnapshotID}, {differential, "differential", full.SnapshotID}} {
		if b.Type != b.kind || b.Parent != b.parent || b.TypeReason != "" || b.Read > b.Processed/2 || b.ReadBack == 0 || b.ReadBack > b.Read || b.Unmodified < 500 {
			t.Errorf("want %s: %+v", b.kind, b.taken)
		}
	}

	stop := s.background("wal", "receive", "--plan", "shop")
	time.Sleep(1100 * time.Millisecond) // targets are whole seconds
	before := c.Query("SELECT to_char(date_trunc('second', now()), 'YYYY-MM-DD HH24:MI:SSTZH:TZM')")
	time.Sleep(1100 * time.Millisecond)
	c.Exec("UPDATE numbers SET v = 'third' WHERE n BETWEEN 5000 AND 6000")
	s.waitArchived(c)
	stop()
	const sums = "SELECT string_agg(v || ' ' || n, ', ' ORDER BY v) FROM (SELECT v, count(*) AS n FROM numbers WHERE length(v) < 10 GROUP BY v) x"
	if got, want := s.restore().Query(sums), c.Query(sums); got != want || !strings.Contains(got, "third 1001") {
		t.Errorf("restored with %s, want %s", got, want)
	}
	if got := s.restore("--to-time", before).Query(sums); !strings.HasPrefix(got, "first 1") || !strings.Contains(got, "second 400") || strings.Contains(got, "third") {
		t.Errorf("restored to %s with %s", before, got)
	}
	for _, b := range []taken{first, differential} {
		data := filepath.Join(pgcluster.Folder(t), "data")
		s.run("restore", "-r", "local", b.SnapshotID+":/shop", "--target", data)
		pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), "-n", data)
	}
	s.run("verify", "--plan", "shop")

	s.damagePacks()
	c.Exec("UPDATE numbers SET v = 'fourth' WHERE n BETWEEN 50000 AND 51000")
	out, err := s.try("plan", "run", "shop", "--json")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	healed := s.summary(out)
	if healed.Type != "full" || !strings.Contains(healed.TypeReason, "missing or damaged") || !strings.Contains(out, "holdfast check") {
		t.Errorf("after data were damaged: %+v\n%s", healed, out)
	}
	data := filepath.Join(pgcluster.Folder(t), "data")
	s.run("restore", "-r", "local", healed.SnapshotID+":/shop", "--target", data)
	pgcluster.Run(t, filepath.Join(bin, "pg_verifybackup"), "-n", data)
}

// damagePacks changes a byte of every thousand of the larger packs, which have
// the content of files.
func (s *shop) damagePacks() {
	s.t.Helper()
	packs, err := filepath.Glob(filepath.Join(s.dir, "repository", "data", "*", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	count := 0
	for _, path := range packs {
		content := []byte(read(s.t, path))
		if len(content) < 1<<20 {
			continue
		}
		for at := 1000; at < len(content); at += 1000 {
			content[at] ^= 1
		}
		if err := os.Chmod(path, 0o600); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			s.t.Fatal(err)
		}
		count++
	}
	if count == 0 {
		s.t.Fatalf("no pack of %d is large", len(packs))
	}
}
