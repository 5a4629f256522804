package cli

import "testing"

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
	for _, args := range [][]string{nil, {"help", "backup"}, {"--json", "backup"}, {"nothing"}} {
		if n := len(wanted(args)); n != len(commands) {
			t.Errorf("%q makes %d commands of %d", args, n, len(commands))
		}
	}
}
