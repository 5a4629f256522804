package cli

import (
	"bytes"
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
		"snapshot":    "did you mean `holdfast snapshots`?",
	} {
		var errs bytes.Buffer
		code := Run(t.Context(), strings.Fields(line), Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &errs})
		if code != exitFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%q exits with %d: %s", line, code, errs.String())
		}
	}
}
