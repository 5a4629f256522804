package pitr

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// restoreTest is what `holdfast verify --json` says.
type restoreTest struct {
	Good      bool     `json:"good"`
	Findings  []string `json:"findings"`
	Checksums bool     `json:"checksums_checked"`
	RTO       float64  `json:"rto_seconds"`
	RPO       float64  `json:"rpo_seconds"`
	Rows      *struct {
		Exact    bool     `json:"exact"`
		Compared int      `json:"tables_compared"`
		Equal    int      `json:"tables_equal"`
		Changed  []string `json:"changed"`
		Notes    []string `json:"notes"`
	} `json:"rows"`
}

func (s *shop) verify(args ...string) (restoreTest, error) {
	s.t.Helper()
	cmd := s.command(append([]string{"verify", "--plan", "shop", "--json", "--scratch", s.dir}, args...)...)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		var m struct {
			Type string `json:"message_type"`
			restoreTest
		}
		if json.Unmarshal([]byte(line), &m) == nil && m.Type == "restore_test" {
			return m.restoreTest, err
		}
	}
	s.t.Fatalf("holdfast verify says nothing of a restore test: %v\n%s", err, out)
	return restoreTest{}, err
}

// A restore test finds a good cluster good, a wrong one wrong, and leaves
// neither traces nor marks in the archive of the original.
func TestVerify(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text); CREATE TABLE busy (n int)")
		s := newShop(t, bin, c.DSN(), "stream")
		// It would archive to the original's place, if it were let.
		c.Stop()
		c.Configure("archive_mode = on", "archive_command = '"+s.binary+" --config "+s.config+" wal push --plan shop %p'", "shared_preload_libraries = 'auto_explain'")
		c.Start()
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		o.write(5)
		s.runWhileWriting("plan", "run", "shop")
		o.write(15)
		s.waitArchived(c)
		stop()
		before := files(t, filepath.Join(s.dir, "repository", "holdfast", "log"))

		got, err := s.verify()
		if err != nil || !got.Good || !got.Checksums || got.RTO <= 0 || got.RPO <= 0 {
			t.Errorf("a good cluster: %+v, %v", got, err)
		}
		if got.Rows == nil || got.Rows.Exact || got.Rows.Compared != 2 || len(got.Rows.Changed) == 0 || len(got.Rows.Notes) != 1 {
			t.Errorf("rows that have changed since: %+v", got.Rows)
		}
		if got, err := s.verify("--point", "random"); err != nil || !got.Good {
			t.Errorf("at a random instant: %+v, %v", got, err)
		}
		// There is a position of the log for the moment of the counts, however
		// many commit.
		if got, err := s.verify("--point", "backup-end"); err != nil || got.Rows == nil || !got.Rows.Exact || got.Rows.Compared != 2 || got.Rows.Equal != 2 {
			t.Errorf("at the moment of the count: %+v, %+v, %v", got, got.Rows, err)
		}
		s.write("holdfast.yaml", strings.ReplaceAll(read(t, s.config), `"> 0"`, `"> 1000"`))
		got, err = s.verify()
		if err == nil || got.Good || len(got.Findings) != 1 || !strings.Contains(got.Findings[0], "20, want > 1000") {
			t.Errorf("a cluster with too little in it: %+v, %v", got, err)
		}
		if after := files(t, filepath.Join(s.dir, "repository", "holdfast", "log")); !slices.Equal(after, before) {
			t.Errorf("the restore tests changed the log archive:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
		if left, err := filepath.Glob(filepath.Join(s.dir, "holdfast-verify-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	})
}

// runWhileWriting runs holdfast while table busy gets rows.
func (s *shop) runWhileWriting(args ...string) {
	s.t.Helper()
	cmd := pgcluster.Command(filepath.Join(s.bin, "pgbench"), "-n", "-R", "200", "-T", "600", "-f", filepath.Join(s.dir, "busy.sql"), s.dsn)
	s.write("busy.sql", "INSERT INTO busy VALUES (1);\n")
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // it is killed
	defer cmd.Process.Kill() //nolint:errcheck // as above
	s.run(args...)
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return names
}

// Without a log archive a base backup brings its log along, and can be
// restored to its own end.
func TestWithoutArchive(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		o := &oracle{t: t, c: c}
		o.write(10)
		s := newShop(t, bin, c.DSN(), "none")
		s.run("plan", "run", "shop")
		o.write(5)
		restored := s.restore("--to-backup-end")
		o.want(restored, 10, "the end of the backup")
		// Only the rows of the moment are in it, and nothing is written while
		// they are counted.
		if got, err := s.verify(); err != nil || !got.Good || got.Rows == nil || !got.Rows.Exact || got.Rows.Equal != 1 {
			t.Errorf("verify: %+v, %+v, %v", got, got.Rows, err)
		}
		if out, err := s.try("restore", "--plan", "shop", "--target", filepath.Join(s.dir, "x")); err == nil || !strings.Contains(out, "cannot be recovered to") {
			t.Errorf("the end of a log that is not there: %v\n%s", err, out)
		}
	})
}

// From a connection string to a proven restore in one command; the password
// in it is not written to holdfast.yaml, and a second run sets nothing up.
func TestProtect(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin)
		c.Exec("CREATE TABLE numbers AS SELECT generate_series(1, 1000) n; CREATE USER backup WITH REPLICATION PASSWORD 'hush-hush'")
		s := newShop(t, bin, c.DSN(), "none")
		config := filepath.Join(s.dir, "fresh", "holdfast.yaml")
		dsn := strings.Replace(c.DSN(), "postgres@", "backup:hush-hush@", 1)
		protect := func(dsn string) string {
			t.Helper()
			cmd := pgcluster.Command(s.binary, "--config", config, "--cache-dir", filepath.Join(s.dir, "cache"), "protect", dsn, "--to", filepath.Join(s.dir, "new"), "--scratch", s.dir)
			cmd.Env = append(cmd.Env, "TMPDIR="+s.dir, s.path(), "XDG_DATA_HOME="+filepath.Join(s.dir, "share"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("protect: %v\n%s", err, out)
			}
			return string(out)
		}
		out := protect(dsn)
		if !strings.Contains(out, "PROVEN") || strings.Contains(out, "hush-hush") || !strings.Contains(out, "leave it out from now on") {
			t.Errorf("protect says\n%s", out)
		}
		written := read(t, config)
		if strings.Contains(written, "hush") || !strings.Contains(written, "postgres:") {
			t.Errorf("holdfast.yaml is\n%s", written)
		}
		protect(strings.Replace(dsn, ":hush-hush", "", 1))
		if again := read(t, config); again != written {
			t.Errorf("the second run changed holdfast.yaml to\n%s", again)
		}
	})
}
