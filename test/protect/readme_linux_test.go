package protect

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The first command of the README is run as it stands there, in the checkout,
// by somebody whose home holds nothing but documents. What it prints has every
// line that the README shows, but for the figures.
func TestCommandOfReadme(t *testing.T) {
	readme := read(t, "../../README.md")
	line := regexp.MustCompile("(?m)^go run ./cmd/holdfast protect .*$").FindString(readme)
	if line == "" {
		t.Fatal("the README has no command that protects a folder")
	}
	m := newMachine(t)
	m.fill(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), goFolders(t)...)
	cmd.Env = append(cmd.Env, "HOME="+m.home, "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "XDG_DATA_HOME=", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	for _, want := range []string{
		"protected: " + m.folder, "what  ", "where  ", m.data("repository"), "recovery point  ", "(full)",
		"restore test    passed: 3 files", "recovery kit    " + m.config("local.recovery-kit.txt"),
		"losing that disk loses both", "holdfast protect " + m.folder + " --to ",
		"Next:", "holdfast restore ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
}

// goFolders has the go command find what it keeps, although the home is
// another one.
func goFolders(t *testing.T) (env []string) {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		must(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}
