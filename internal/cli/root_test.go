package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// The names by which commands are found are their own.
func TestCommandNames(t *testing.T) {
	for _, entry := range commands {
		if got := entry.make(&command{}).Name(); got != entry.name {
			t.Errorf("command %q stands in the list as %q", got, entry.name)
		}
		if n := len(wanted([]string{entry.name, "--help"})); n != 1 {
			t.Errorf("%q makes %d commands", entry.name, n)
		}
	}
	if n := len(wanted([]string{"-q", "--cache-dir", "wal", "backup", "restore"})); n != 3 {
		t.Errorf("flags and three names make %d commands", n)
	}
	for _, args := range [][]string{nil, {"help", "backup"}, {"--json", "--help", "backup"}, {"--json"}, {"nothing"}, {"-q", "nothing"}} {
		if n := len(wanted(args)); n != len(commands) {
			t.Errorf("%q makes %d commands of %d", args, n, len(commands))
		}
	}
}

// A word that is no command is refused, also below a group.
func TestUnknownCommands(t *testing.T) {
	for line, want := range map[string]string{
		"plan shwo":   "did you mean `holdfast plan show`?",
		"wal nothing": "see `holdfast wal --help`",
		"nothing":     "see `holdfast --help`",
		"no --json":   `{"message_type":"exit_error"`,
		"snapshot":    "did you mean `holdfast snapshots`?",
	} {
		var errs bytes.Buffer
		code := Run(t.Context(), strings.Fields(line), Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &errs})
		if code != exitFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%q exits with %d: %s", line, code, errs.String())
		}
	}
}

// Help, completion and --version are there as in other programs.
func TestUsualCommands(t *testing.T) {
	for line, want := range map[string]string{
		"help wal push":    "holdfast wal push [flags]",
		"completion bash":  "__start_holdfast",
		"__complete snap":  "snapshots\tList",
		"__complete wal p": "push\t",
		"--version":        "holdfast ",
	} {
		var out, errs bytes.Buffer
		code := Run(t.Context(), strings.Fields(line), Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if code != exitOK || !strings.Contains(out.String(), want) {
			t.Errorf("%q exits with %d: %s%s", line, code, out.String(), errs.String())
		}
	}
}

// Whoever names a place does not need a holdfast.yaml, and so none that can be
// read; what is named by a word is only in there.
func TestBrokenConfigurationBesideAPlace(t *testing.T) {
	s := newShell(t)
	if err := os.Mkdir(s.path("holdfast"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := s.path("holdfast/holdfast.yaml")
	if err := os.WriteFile(file, []byte("repositories: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write("letter", "Dear Ann")
	for _, line := range [][]string{
		{"backup", "-r", s.repo, s.path("source")},
		{"snapshots", "-r", s.repo},
		{"restore", "-r", s.repo, "latest", "--target", s.path("back")},
		{"check", "-r", s.repo},
	} {
		s.wants(s.run(exitOK, line...), "holdfast.yaml", "is used without")
	}
	s.run(exitFailed, "snapshots", "-r", "local")
	s.run(exitFailed, "snapshots", "-r", s.repo, "--config", file)
	t.Setenv("HOLDFAST_REPOSITORY", "")
	s.run(exitFailed, "snapshots")
}
