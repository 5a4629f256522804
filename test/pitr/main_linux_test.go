package pitr

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/storage/local"
	"holdfast/test/pgcluster"
	"holdfast/test/program"
)

// sideBySide is how many tests run at once: more than there are processors, as
// servers wait for disks and for each other most of the time.
const sideBySide = 4

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(max(sideBySide, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	os.Exit(program.Main(m))
}

// shop is a plan with one PostgreSQL source, run as the server's own user.
type shop struct {
	t      *testing.T
	dir    string
	config string
	binary string
	bin    string // of PostgreSQL
	dsn    string
	spool  string // where holdfast has its temporary files, if not in dir
}

// newShop writes holdfast.yaml for a server and makes the repository.
func newShop(t *testing.T, bin, dsn, wal string) *shop {
	t.Helper()
	dir := pgcluster.Folder(t)
	s := &shop{t: t, dir: dir, config: filepath.Join(dir, "holdfast.yaml"), bin: bin, dsn: dsn, binary: os.Getenv("HOLDFAST_TEST_BINARY")}
	s.write("password", "secret\n")
	s.write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %s/repository, password: { file: password } }
sources:
  shop: { postgres: { dsn: "%s", wal: %s } }
plans:
  shop:
    sources: [shop]
    repository: local
    wal: { every: 1s }
    objectives: { rpo: 1m, rto: 10m }
    restore_test: { checks: [{ sql: "SELECT count(*) FROM numbers", expect: "> 0" }] }
`, dir, dsn, wal))
	s.init()
	if wal != "none" {
		s.run("wal", "init", "--plan", "shop")
	}
	return s
}

// init makes the repository, as `holdfast init` does but for the time that each
// command takes to derive the key.
func (s *shop) init() {
	s.t.Helper()
	place := filepath.Join(s.dir, "repository")
	store, err := local.Create(place)
	if err != nil {
		s.t.Fatal(err)
	}
	in := repository.InitOptions{Password: []byte("secret"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(s.t.Context(), store, in, repository.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(r.Close(), pgcluster.Own(place)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), pgcluster.Own(path)); err != nil {
		s.t.Fatal(err)
	}
}

// command prepares holdfast to run as the server's user.
func (s *shop) command(args ...string) *exec.Cmd {
	cmd := pgcluster.Command(s.binary, append([]string{"--config", s.config, "--cache-dir", filepath.Join(s.dir, "cache")}, args...)...)
	cmd.Env = append(cmd.Env, "TMPDIR="+cmp.Or(s.spool, s.dir), "HOLDFAST_STATE_DIR="+s.stateDir(), s.path())
	return cmd
}

func (s *shop) stateDir() string { return filepath.Join(s.dir, "state") }

// path lets the program find the server's programs, wherever they are.
func (s *shop) path() string { return "PATH=" + s.bin + ":" + os.Getenv("PATH") }

// run runs holdfast and returns what it printed.
func (s *shop) run(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *shop) try(args ...string) (string, error) {
	out, err := s.command(args...).CombinedOutput()
	return string(out), err
}

// background runs holdfast until the test, or the returned function, ends it.
func (s *shop) background(args ...string) (stop func()) {
	s.t.Helper()
	cmd := s.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() //nolint:errcheck // it is killed
		close(ended)
	}()
	stop = func() {
		cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // it may have ended
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill() //nolint:errcheck // as above
			<-ended
		}
	}
	s.t.Cleanup(func() {
		stop()
		if s.t.Failed() {
			s.t.Logf("holdfast %s:\n%s", strings.Join(args, " "), &out)
		}
	})
	return stop
}

// restore restores to a new folder, starts the server there and returns it.
func (s *shop) restore(args ...string) *pgcluster.Cluster {
	s.t.Helper()
	data := filepath.Join(pgcluster.Folder(s.t), "data")
	s.run(append([]string{"restore", "--plan", "shop", "--target", data}, args...)...)
	c := pgcluster.Attach(s.t, s.bin, data)
	c.Start()
	for deadline := time.Now().Add(60 * time.Second); c.Query("SELECT pg_is_in_recovery()") != "f"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("the recovery does not end")
		}
	}
	return c
}

// waitArchived waits until the log of a server is archived up to now.
func (s *shop) waitArchived(c *pgcluster.Cluster) {
	s.t.Helper()
	now := c.Query("SELECT pg_current_wal_flush_lsn()")
	for deadline := time.Now().Add(60 * time.Second); c.Query(fmt.Sprintf(
		"SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' AND flush_lsn >= '%s'", now)) != "1"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the log is not archived up to %s", now)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
