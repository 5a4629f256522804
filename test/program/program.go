package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Program is a program and the environment it runs in. Everything of the
// user who runs the tests is kept from it: repositories, passwords, caches.
type Program struct {
	path string
	dir  string
	env  []string
}

// New prepares a program with empty home and cache folders, in UTC.
func New(t testing.TB, path string) Program {
	t.Helper()
	home := t.TempDir()
	p := Program{path: path}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RESTIC_") && !strings.HasPrefix(v, "HOLDFAST_") && !strings.HasPrefix(v, "XDG_") && !strings.HasPrefix(v, "OTEL_") {
			p.env = append(p.env, v)
		}
	}
	return p.With("HOME="+home, "XDG_CACHE_HOME="+home+"/cache", "XDG_CONFIG_HOME="+home+"/config", "TZ=UTC")
}

// With adds variables to the environment.
func (p Program) With(env ...string) Program {
	p.env = append(slices.Clip(p.env), env...)
	return p
}

// In sets the folder in which the program runs.
func (p Program) In(dir string) Program {
	p.dir = dir
	return p
}

// On names the repository to work on and its password, for holdfast and
// restic alike.
func (p Program) On(repo, password string) Program {
	return p.With("HOLDFAST_REPOSITORY="+repo, "HOLDFAST_PASSWORD="+password, "RESTIC_REPOSITORY="+repo, "RESTIC_PASSWORD="+password)
}

// Result is what became of one run.
type Result struct {
	Code           int // the exit code; -1 if a signal ended the program or it did not start
	Stdout, Stderr string
}

// Output returns all that was printed.
func (r Result) Output() string { return r.Stdout + r.Stderr }

// Command prepares a run, for tests that start and stop it themselves.
func (p Program) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// Try runs the program and returns what became of it, whatever that is. Any
// goroutine may call it.
func (p Program) Try(args ...string) Result {
	cmd := p.Command(args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	failure := cmd.Run()
	var exit *exec.ExitError
	if failure != nil && !errors.As(failure, &exit) {
		return Result{Code: -1, Stderr: failure.Error()}
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: err.String()}
}

// Run runs the program, which must succeed, and returns its standard output.
func (p Program) Run(t testing.TB, args ...string) string {
	t.Helper()
	return p.Exits(t, 0, args...).Stdout
}

// Exits runs the program, which must end with the given code.
func (p Program) Exits(t testing.TB, code int, args ...string) Result {
	t.Helper()
	r := p.Try(args...)
	if r.Code != code {
		t.Fatalf("%s %q: exit code %d, want %d\n%s", filepath.Base(p.path), args, r.Code, code, r.Output())
	}
	return r
}

// JSON runs the program with --json, which must succeed, and decodes what it
// prints on standard output: one array, or one object a line.
func JSON[T any](t testing.TB, p Program, args ...string) []T {
	t.Helper()
	out := p.Run(t, append(slices.Clip(args), "--json")...)
	if strings.HasPrefix(out, "[") {
		var all []T
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatalf("%q: %v in %q", args, err, out)
		}
		return all
	}
	var all []T
	for line := range strings.Lines(out) {
		var m T
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v in line %q", args, err, line)
		}
		all = append(all, m)
	}
	return all
}
