//go:build linux

// Package pgcluster runs real PostgreSQL clusters for tests: made anew, on
// free ports, as a user who is not root, gone when the test is.
package pgcluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/test/processes"
	"holdfast/test/tools"
)

// startWithin bounds how long a server may take to accept connections, crash
// recovery included, on a loaded machine.
const startWithin = 90 * time.Second

// Cluster is one PostgreSQL server with its data directory.
type Cluster struct {
	// Bin is the folder of the server's programs.
	Bin string
	// Data is the data directory, Port where the server listens on loopback.
	Data string
	Port int

	t   testing.TB
	log string
	cmd *exec.Cmd
}

// Versions returns the versions that tests run with, and where their programs
// are: the machine's own, and a newer one from the cache of tools.
func Versions(t testing.TB) map[int]string {
	t.Helper()
	const own = "/usr/lib/postgresql/15/bin"
	if _, err := os.Stat(filepath.Join(own, "initdb")); err != nil {
		t.Fatalf("PostgreSQL 15 is not here (%v): install it with tools/deps.sh test", err)
	}
	return map[int]string{15: own, 17: tools.PostgreSQL(t, 17)}
}

// Each runs a test with every version, side by side.
func Each(t *testing.T, test func(t *testing.T, bin string)) {
	t.Helper()
	for version, bin := range Versions(t) {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			t.Parallel()
			test(t, bin)
		})
	}
}

// goneWithin bounds how long those that were killed, and whom they called, may
// still write to their folder.
const goneWithin = 30 * time.Second

// Folder makes a folder that the server's user may write to, as t.TempDir
// does not: it is removed after the test.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "holdfast-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), Own(dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// remove removes a folder once nobody works with it, who could make it anew.
func remove(t testing.TB, dir string) {
	for deadline := time.Now().Add(goneWithin); ; time.Sleep(100 * time.Millisecond) {
		late := time.Now().After(deadline)
		if !late && len(processes.With(dir)) > 0 {
			continue
		}
		err := os.RemoveAll(dir)
		if err == nil {
			return
		}
		if late {
			t.Errorf("the test leaves something behind: %v", err)
			return
		}
	}
}

// Own gives a file or folder, and all in it, to the server's user.
func Own(path string) error {
	c := credential()
	if c == nil {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, int(c.Uid), int(c.Gid))
	})
}

// credential is the server's user: PostgreSQL refuses to run as root.
func credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32) //nolint:errcheck // a number, on Unix
	gid, _ := strconv.ParseUint(u.Gid, 10, 32) //nolint:errcheck // as above
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Run runs a program as the server's user and returns what it printed.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	cmd := Command(program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Command prepares a program to run as the server's user.
func Command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(), Pdeathsig: syscall.SIGKILL}
	return cmd
}

// New makes a cluster with data checksums and starts it. Settings are lines of
// postgresql.conf.
func New(t testing.TB, bin string, settings ...string) *Cluster {
	t.Helper()
	c := Attach(t, bin, filepath.Join(Folder(t), "data"))
	Run(t, filepath.Join(bin, "initdb"), "-D", c.Data, "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "--data-checksums", "--no-sync")
	c.Configure(append([]string{"fsync = off", "wal_level = replica", "max_wal_senders = 10"}, settings...)...)
	c.Start()
	return c
}

// Attach describes a cluster whose data directory something else makes, such
// as a restore. It is stopped after the test.
func Attach(t testing.TB, bin, data string) *Cluster {
	t.Helper()
	c := &Cluster{Bin: bin, Data: data, t: t, Port: freePort(t), log: data + ".log"}
	t.Cleanup(func() {
		c.Kill()
		c.removeMemory()
		if log, err := os.ReadFile(c.log); err == nil && t.Failed() {
			t.Logf("log of the server on %s:\n%s", data, log[max(0, len(log)-6000):])
		}
	})
	return c
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Configure adds lines to postgresql.conf, which count from the next start.
func (c *Cluster) Configure(settings ...string) {
	c.t.Helper()
	f, err := os.OpenFile(filepath.Join(c.Data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
		err = errors.Join(err, f.Close(), Own(f.Name()))
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Start starts the server and waits until it accepts connections.
func (c *Cluster) Start() {
	c.t.Helper()
	c.Launch()
	deadline := time.Now().Add(startWithin)
	for {
		err := c.ping()
		if err == nil {
			return
		}
		if c.Ended() || time.Now().After(deadline) {
			log, _ := os.ReadFile(c.log) //nolint:errcheck // the failure is told anyway
			c.t.Fatalf("PostgreSQL does not start: %v\n%s", err, log[max(0, len(log)-6000):])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Launch starts the server and waits for nothing.
func (c *Cluster) Launch() {
	c.t.Helper()
	log, err := os.OpenFile(c.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.cmd = Command(filepath.Join(c.Bin, "postgres"), "-D", c.Data, "-p", strconv.Itoa(c.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	cmd := c.cmd
	go cmd.Wait() //nolint:errcheck // Ended looks at the state
}

// Ended tells whether the server has ended.
func (c *Cluster) Ended() bool { return c.cmd == nil || syscall.Kill(c.cmd.Process.Pid, 0) != nil }

// WaitEnd waits until the server has ended by itself.
func (c *Cluster) WaitEnd() {
	c.t.Helper()
	for deadline := time.Now().Add(startWithin); !c.Ended(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("PostgreSQL does not end")
		}
	}
}

// Stop stops the server as an operator would (fast shutdown).
func (c *Cluster) Stop() {
	c.t.Helper()
	if c.Ended() {
		return
	}
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		c.t.Fatal(err)
	}
	c.WaitEnd()
}

// Kill kills the server and all its processes as a power failure would.
func (c *Cluster) Kill() {
	if c.Ended() {
		return
	}
	// The children of a killed postmaster notice it by themselves.
	_ = c.cmd.Process.Kill() //nolint:errcheck // it may have ended meanwhile
	for range 500 {
		if c.Ended() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.waitGone()
}

// waitGone waits until all processes of a killed server have noticed: it does
// not start again while one has its memory. What else has its folder, such as
// a command of it, is not waited for long.
func (c *Cluster) waitGone() {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		found, _ := filepath.Glob("/proc/[0-9]*/cwd") //nolint:errcheck // the pattern is sound
		if !slices.ContainsFunc(found, func(link string) bool {
			dir, err := os.Readlink(link)
			// A restore or an archive_command has it as its folder, too, for a moment.
			return err == nil && dir == c.Data
		}) {
			return
		}
	}
}

// DSN is how the server is reached.
func (c *Cluster) DSN() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", c.Port)
}

func (c *Cluster) ping() error {
	conn, err := pgx.Connect(c.t.Context(), c.DSN())
	if err != nil {
		return err
	}
	return conn.Close(c.t.Context())
}

// Exec runs statements.
func (c *Cluster) Exec(sql string) {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.DSN())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(c.t.Context())
	if _, err := conn.PgConn().Exec(c.t.Context(), sql).ReadAll(); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
}

// Query returns the first value of a query, as text.
func (c *Cluster) Query(sql string) string {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.DSN())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(c.t.Context())
	results, err := conn.PgConn().Exec(c.t.Context(), sql).ReadAll()
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 || len(last.Rows[0]) == 0 {
		return ""
	}
	return string(bytes.Clone(last.Rows[0][0]))
}

// Promote makes a standby the primary of a new timeline.
func (c *Cluster) Promote() {
	c.t.Helper()
	c.Exec("SELECT pg_promote(true, 60)")
}

// WaitReplayed waits until this standby has replayed all that its primary wrote
// up to now.
func (c *Cluster) WaitReplayed(primary *Cluster) {
	c.t.Helper()
	at := primary.Query("SELECT pg_current_wal_lsn()")
	for deadline := time.Now().Add(2 * time.Minute); c.Query("SELECT pg_last_wal_replay_lsn() >= '"+at+"'") != "t"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("the standby does not catch up with %s", at)
		}
	}
}
