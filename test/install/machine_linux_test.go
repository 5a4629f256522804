package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const (
	// patience bounds every wait, on a machine that may be busy.
	patience = 4 * time.Minute
	poll     = 200 * time.Millisecond
)

// machine is a small Debian that systemd has started, apart from this one.
type machine struct {
	t    *testing.T
	root string
	pid  string // of its systemd, as this machine sees it
}

// boot starts a machine. It is off at the end of the test.
func boot(t *testing.T) *machine {
	t.Helper()
	return bootFrom(t, tools.DebianSystem(t))
}

// bootFrom is boot for another system, which is an archive.
func bootFrom(t *testing.T, system string) *machine {
	t.Helper()
	m := unpack(t, system)
	log, err := os.Create(filepath.Join(t.TempDir(), "console"))
	must(t, err)
	cmd := exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory="+m.root, "--register=no", "--keep-unit",
		"--private-network", "--console=pipe", "--link-journal=no")
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			console, _ := os.ReadFile(log.Name()) //nolint:errcheck // there may be nothing
			journal, _ := m.try("journalctl", "--no-pager", "--unit=holdfast")
			t.Logf("console:\n%s\nlog of the service:\n%s", console, journal)
		}
		// Its first process is the last to go: then nothing writes any more.
		if pid, err := strconv.Atoi(m.pid); err == nil {
			syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
		} else {
			cmd.Process.Kill() //nolint:errcheck // see above
		}
		<-ended
	})
	wait(t, "the machine starts", func() bool {
		select {
		case err := <-ended:
			ended <- err
			console, _ := os.ReadFile(log.Name()) //nolint:errcheck // told as far as there is something
			t.Fatalf("the machine did not start: %v\n%s", err, console)
		default:
		}
		m.pid = child(cmd.Process.Pid)
		return m.pid != ""
	})
	m.endWithUs()
	wait(t, "the machine is up", func() bool {
		out, _ := m.try("systemctl", "is-system-running")
		return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded")
	})
	return m
}

// endWithUs has the machine end when this process does, in whatever way: a
// test that takes too long runs no cleanup.
func (m *machine) endWithUs() {
	m.t.Helper()
	guard := exec.Command("/bin/sh", "-c", `read -r nothing; kill -KILL "$1"`, "guard", m.pid)
	// A group of its own: what interrupts the tests must not interrupt it.
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := guard.StdinPipe() // closes with the process
	must(m.t, err)
	must(m.t, guard.Start())
	m.t.Cleanup(func() {
		guard.Process.Kill() //nolint:errcheck // it waits
		guard.Wait()         //nolint:errcheck // it was killed
	})
}

// unpack lays out a machine without starting it.
func unpack(t *testing.T, system string) *machine {
	t.Helper()
	m := &machine{t: t, root: filepath.Join(t.TempDir(), "root")}
	must(t, os.Mkdir(m.root, 0o755))
	if out, err := exec.Command("tar", "--extract", "--numeric-owner", "--exclude=./dev/*", "--file="+system, "--directory="+m.root).CombinedOutput(); err != nil {
		t.Fatalf("unpack the system: %v\n%s", err, out)
	}
	return m
}

// child returns the process that a process has started, "" if there is none
// yet that is a systemd.
func child(pid int) string {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	if err != nil {
		return ""
	}
	for _, c := range strings.Fields(string(children)) {
		name, err := os.ReadFile("/proc/" + c + "/comm")
		if err == nil && strings.TrimSpace(string(name)) == "systemd" {
			return c
		}
	}
	return ""
}

// path is where this machine has a path of the other.
func (m *machine) path(path string) string { return filepath.Join(m.root, path) }

func (m *machine) write(path string, mode os.FileMode, text string) {
	m.t.Helper()
	must(m.t, os.MkdirAll(filepath.Dir(m.path(path)), 0o755))
	must(m.t, os.WriteFile(m.path(path), []byte(text), mode))
	must(m.t, os.Chmod(m.path(path), mode))
}

func (m *machine) copyIn(from, to string) {
	m.t.Helper()
	data, err := os.ReadFile(from)
	must(m.t, err)
	m.write(to, 0o755, string(data))
}

// command prepares a command on the machine, as root.
func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	enter := []string{"--target", m.pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	return cmd
}

// try runs a command and returns all that it printed.
func (m *machine) try(args ...string) (string, error) {
	out, err := m.command(context.Background(), args...).CombinedOutput()
	return string(out), err
}

// run runs a command, which must succeed, and returns its standard output.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	var out, complaint bytes.Buffer
	cmd := m.command(m.t.Context(), args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		m.t.Fatalf("%q: %v\n%s%s", args, err, out.String(), complaint.String())
	}
	return out.String()
}

// refused runs a command, which must fail, and returns all that it printed.
func (m *machine) refused(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if code := new(exec.ExitError); !errors.As(err, &code) {
		m.t.Fatalf("%q did not fail (%v):\n%s", args, err, out)
	}
	return out
}

// unitProperty asks systemd about the unit.
func (m *machine) unitProperty(name string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "holdfast", "--value", "--property="+name))
}

// process returns the main process of the service, 0 for none.
func (m *machine) process() int {
	m.t.Helper()
	pid, err := strconv.Atoi(m.unitProperty("MainPID"))
	must(m.t, err)
	return pid
}

func (m *machine) waitActive() {
	m.t.Helper()
	wait(m.t, "the service runs", func() bool {
		out, _ := m.try("systemctl", "is-active", "holdfast")
		return strings.TrimSpace(out) == "active"
	})
}

// ended is a run that ended.
type ended struct {
	ID      string `json:"id"`
	Job     string `json:"job"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// runs returns the runs of a kind of job that ended, the newest first.
func (m *machine) runs(job string) []ended {
	m.t.Helper()
	var all []ended
	out := m.run("holdfast", "run", "list", "--job", job, "--json")
	for line := range strings.Lines(out) {
		var e ended
		must(m.t, json.Unmarshal([]byte(line), &e))
		if e.Job == job {
			all = append(all, e)
		}
	}
	return all
}

// do has the service run a job, which must succeed.
func (m *machine) do(job, kind string) {
	m.t.Helper()
	before := len(m.runs(kind))
	m.run("holdfast", "run", "start", job)
	wait(m.t, job+" ends", func() bool { return len(m.runs(kind)) > before })
	if last := m.runs(kind)[0]; last.Outcome != "succeeded" {
		m.t.Fatalf("%s %s: %s\n%s", job, last.Outcome, last.Reason, m.run("holdfast", "run", "show", last.ID, "--log"))
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !done(); time.Sleep(poll) {
		if time.Now().After(until) {
			t.Fatalf("after %s: not yet that %s", patience, what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q is missing in:\n%s", want, text)
	}
}
