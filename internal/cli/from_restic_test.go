package cli

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"holdfast/test/tools"
)

// helpOf returns what restic's help says of a command.
func helpOf(t *testing.T, restic string, path []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), restic, append(slices.Clone(path), "--help")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("restic %v --help: %v\n%s", path, err, out)
	}
	return string(out)
}

var (
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]+) {2,}\S`)
	helpFlag    = regexp.MustCompile(`(?m)^ +(?:-(\w), | {4})--([a-z0-9-]+)( \S+)? {2,}\S`)
)

// resticCommands returns all commands that restic's help names.
func resticCommands(t *testing.T, restic string, above []string) (all [][]string) {
	t.Helper()
	help, _, _ := strings.Cut(helpOf(t, restic, above), "\nFlags:")
	if _, list, found := strings.Cut(help, "Available Commands:"); found {
		help = list
	} else {
		return nil
	}
	for _, found := range helpCommand.FindAllStringSubmatch(help, -1) {
		if found[1] == "help" {
			continue
		}
		path := append(slices.Clone(above), found[1])
		all = append(append(all, path), resticCommands(t, restic, path)...)
	}
	return all
}

// Everything that restic's help names is in holdfast, under the same name and
// letter, or is said not to be.
func TestEverythingOfResticIsThereOrSaidNotToBe(t *testing.T) {
	if testing.Short() {
		t.Skip("runs restic")
	}
	for name, find := range map[string]func(testing.TB) string{"0.18": tools.Restic, "of sid": tools.ResticSid} {
		t.Run(name, func(t *testing.T) {
			restic, tree := find(t), Tree()
			all := resticCommands(t, restic, nil)
			if len(all) < 25 {
				t.Fatalf("the help names %d commands: %q", len(all), all)
			}
			flags := 0
			for _, path := range all {
				cmd, rest, err := tree.Find(path)
				if err != nil || len(rest) > 0 || cmd == tree {
					if resticAdvice(path[len(path)-1], "") == "" {
						t.Errorf("there is no command %q, and nothing says so", path)
					}
					continue
				}
				for _, f := range helpFlag.FindAllStringSubmatch(helpOf(t, restic, path), -1) {
					flags++
					wantFlag(t, cmd, f[2], f[1], f[3] != "")
				}
			}
			if flags < 500 {
				t.Errorf("only %d flags were looked at", flags)
			}
		})
	}
}

// wantFlag wants a flag of restic's to be there, or to be said not to be.
func wantFlag(t *testing.T, cmd *cobra.Command, name, short string, hasValue bool) {
	t.Helper()
	f := cmd.Flag(name)
	if f == nil && name != "help" {
		if resticAdvice(cmd.Name(), "--"+name) == "" {
			t.Errorf("%s has no --%s, and nothing says so", cmd.CommandPath(), name)
		}
		return
	}
	if f == nil {
		return
	}
	if short != "" && f.Shorthand != short {
		t.Errorf("%s --%s is -%s in restic and -%s here", cmd.CommandPath(), name, short, f.Shorthand)
	}
	if takes := f.NoOptDefVal == ""; takes != hasValue {
		t.Errorf("%s --%s: that it takes a value is %v here, %v in restic", cmd.CommandPath(), name, takes, hasValue)
	}
}

// What is said not to be there is not, and the guide says the same.
func TestGuideForThoseWhoComeFromRestic(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/from-restic.md")
	if err != nil {
		t.Fatal(err)
	}
	tree := Tree()
	for _, own := range onlyInRestic {
		if row := "| `" + own.name() + "` | " + own.instead + " |"; !strings.Contains(string(guide), row) {
			t.Errorf("the guide lacks the row\n%s", row)
		}
		cmd, _, err := tree.Find([]string{own.command})
		switch {
		case own.flag == "" && err == nil && cmd != tree:
			t.Errorf("%s is said not to be there, and is", own.name())
		case own.command != "" && own.flag != "" && err == nil && cmd.Flag(own.flag[2:]) != nil:
			t.Errorf("%s is said not to be there, and is", own.name())
		case own.command == "" && tree.PersistentFlags().Lookup(own.flag[2:]) != nil:
			t.Errorf("%s is said not to be there, and is", own.name())
		}
	}
}
