package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"
	_ "unsafe" // for go:linkname

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/internal/cli"
	"holdfast/repository"
	"holdfast/storage/local"
)

var update = flag.Bool("update", false, "rewrite the expected outputs in testdata/script")

// testKeys is repository's: keys that the scripts make cost nothing to derive.
// Under the race detector each would take seconds, for each command.
//
//go:linkname testKeys holdfast/repository.testKeys
var testKeys string

func TestMain(m *testing.M) {
	testKeys = "cheap"
	testscript.Main(m, map[string]func(){"holdfast": func() { os.Exit(cli.Main()) }})
}

const password = "correct horse"

// TestScripts runs testdata/script: what the command line does, as its users
// see it. Beside the usual commands of testscript there are those below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup:         setup,
		Condition:     condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":          exits,
			"makerepository": makeRepository,
			"lock":           lock,
			"readonly":       readOnly,
		},
	})
}

// setup makes $WORK/repo the repository, and keeps the user's own settings out.
func setup(e *testscript.Env) error {
	for name, value := range map[string]string{
		"HOLDFAST_REPOSITORY": e.WorkDir + "/repo",
		"HOLDFAST_PASSWORD":   password,
		"HOME":                e.WorkDir + "/home",
		"XDG_CACHE_HOME":      e.WorkDir + "/home/cache",
		"XDG_CONFIG_HOME":     e.WorkDir + "/home/config",
		"XDG_DATA_HOME":       e.WorkDir + "/home/data",
		"TZ":                  "UTC",
	} {
		e.Setenv(name, value)
	}
	return os.Mkdir(e.WorkDir+"/home", 0o755)
}

// condition knows [root]: whether the tests may mount and change owners.
func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, errors.New("unknown condition")
}

// exits CODE COMMAND ARG... runs a command that must end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// makerepository DIR makes a repository whose password is checked in no time,
// where `holdfast init` sees to it that each check takes half a second.
func makeRepository(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: makerepository DIR")
	}
	store, err := local.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	in := repository.InitOptions{Password: []byte(password), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(context.Background(), store, in, repository.Options{})
	ts.Check(err)
	ts.Check(r.Close())
}

// lock DIR shared|exclusive holds a lock on a repository until the script ends.
func lock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lock DIR shared|exclusive")
	}
	store, err := local.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	r, err := repository.Open(context.Background(), store, repository.Options{Password: []byte(password)})
	ts.Check(err)
	mode := repository.Shared
	if args[1] == "exclusive" {
		mode = repository.Exclusive
	}
	l, _, err := r.Lock(context.Background(), mode, repository.LockOptions{})
	ts.Check(err)
	ts.Defer(func() {
		if err := errors.Join(l.Unlock(), r.Close()); err != nil {
			ts.Logf("unlock: %v", err)
		}
	})
}
