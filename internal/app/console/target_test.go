//go:build unix

package console

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"holdfast/internal/api"
	"holdfast/internal/config"
)

// targetHost is a machine where restores may write below a folder that has
// much more in it than restores: the state of the service, its configuration
// and a repository.
func targetHost(t *testing.T) (c *Console, dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"state/tokens", "state/restores", "repo/data", "etc", "free"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"state-link": "state", "repo-link": "repo"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Config{
		Service: config.Service{RestoreDirs: []string{dir}},
		Repositories: map[string]config.Repository{
			"local": {URL: filepath.Join(dir, "repo-link") + "/"},
		},
	}
	return &Console{o: Options{
		StateDir: filepath.Join(dir, "state-link"), ConfigPath: filepath.Join(dir, "etc", "holdfast.yaml"), Config: func() *config.Config { return cfg },
	}}, dir
}

func refusal(t *testing.T, c *Console, target string) string {
	t.Helper()
	_, refused, err := c.chooseTarget(&api.RestoreRequest{Target: target}, &recovery{}, &api.RestorePlan{})
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return refused
}

// Who may restore could make a token of an administrator out of a backup, or
// break what backups are made with, if it were written over by one.
func TestNothingIsRestoredOverWhatHoldfastWorksWith(t *testing.T) {
	c, dir := targetHost(t)
	for path, taken := range map[string]bool{
		"state/tokens": true, "state/tokens/x": true, "state/audit": true, "state/anything/new": true, "state": true, "state-link": true, "state-link/tokens": true,
		"repo": true, "repo/data": true, "repo/data/new": true, "repo-link": true, "repo-link/data": true,
		"etc": true, "etc/holdfast.yaml": true,
		"etc/other": false, "free": false, "free/new": false, "state/restores": true, "state/restores/new": false, "state-link/restores/new": false,
	} {
		if why := refusal(t, c, filepath.Join(dir, path)); (why != "") != taken {
			t.Errorf("%s: %q", path, why)
		}
	}
}

// A target that is no folder is refused at once: opening a pipe would wait for
// somebody to write to it, for ever.
func TestATargetThatIsAPipe(t *testing.T) {
	c, dir := targetHost(t)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(pipe, 0o777); err != nil {
		t.Fatal(err)
	}
	if why := refusal(t, c, pipe); why == "" {
		t.Error("a pipe is a target")
	}
	if why := refusal(t, c, filepath.Join(pipe, "x")); why == "" {
		t.Error("a target is below a pipe")
	}
}
