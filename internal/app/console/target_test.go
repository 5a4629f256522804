//go:build unix

package console

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/secret"
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

// What else a service relies on is no target either, and whoever has folders for
// restores around it is told.
func TestRestoreDirsAroundWhatIsReliedOn(t *testing.T) {
	c, dir := targetHost(t)
	cfg := c.o.Config()
	at := func(path string) string { return filepath.Join(dir, path) }
	for _, path := range []string{"keys", "hooks", "tls", "bin"} {
		if err := os.Mkdir(at(path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("hooks/script"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	local := cfg.Repositories["local"]
	local.Password = secret.Ref{File: at("keys/password")}
	local.Options = map[string]string{"identity-file": at("keys/ssh"), "region": "eu"}
	cfg.Repositories["local"] = local
	t.Setenv("HOME", at("home"))
	cfg.Repositories["far"] = config.Repository{URL: "sftp:ann@backup.example.com:/srv", Options: map[string]string{"known-hosts-file": at("known")}}
	cfg.Repositories["bucket"] = config.Repository{URL: "s3:https://s3.example.com/backups"}
	cfg.Sources = map[string]config.Source{"shop": {Postgres: &config.Postgres{DSN: "postgres://backup@db/shop?passfile=" + at("pg/pass")}}}
	cfg.Service.TLS = config.TLS{Cert: at("tls/cert"), Key: at("tls/key")}
	cfg.Notify = map[string]config.Channel{"ops": {URL: secret.Ref{Command: []string{at("bin/vault"), "--of", "ops"}}}}
	cfg.Plans = map[string]config.Plan{"letters": {Hooks: config.Hooks{Before: []config.Hook{{Command: []string{"/bin/sh", at("hooks/script"), at("free")}}}}}}
	for path, taken := range map[string]bool{
		"etc/local.recovery-kit.txt": true, "keys": true, "hooks": true, "tls": true, "bin": true, "keys/password": true,
		"home/.ssh": true, "home/.ssh/authorized_keys": true, "known": true, "home/.aws": true, "home/.pgpass": true, "home": true, "pg": true,
		"keys/new": false, "free": false, "free/new": false, "home/restored": false, "pg/restored": false,
	} {
		if why := refusal(t, c, at(path)); (why != "") != taken {
			t.Errorf("%s: %q", path, why)
		}
	}
	own := Own{c.o.ConfigPath, c.o.StateDir, at("cache")}
	all := fmt.Sprint(reliedOn(cfg, own))
	for _, want := range []string{
		"the state of the service is in", "the configuration is in", "the cache is in", "repository local is in", "the recovery kit of repository local is in " + at("etc/local.recovery-kit.txt"), "the password of repository local is in", "identity-file of repository local is in",
		"the key of the certificate is in", "the URL of channel ops is in " + at("bin/vault"), "a hook of plan letters is in " + at("hooks/script"),
		"what lets holdfast in at repository far is in " + at("home/.ssh"), "known-hosts-file of repository far is in " + at("known"),
		"what lets holdfast in at source shop is in " + at("pg/pass"),
	} {
		if !strings.Contains(all, want) {
			t.Errorf("it is not among what is relied on that %s:\n%s", want, all)
		}
	}
	told := RestoreDirProblems(cfg, own)
	if len(told) != 1 || !strings.Contains(told[0], "the state of the service is in") || !strings.Contains(told[0], "more") {
		t.Errorf("of a folder that has everything in it is told %q", told)
	}
	for _, dirs := range [][]string{nil, {at("free")}, {at("state/restores")}, {at("keys/new")}} {
		cfg.Service.RestoreDirs = dirs
		if told := RestoreDirProblems(cfg, own); len(told) > 0 {
			t.Errorf("with restores in %q: %q", dirs, told)
		}
	}
	for _, dir := range []string{at("state"), at("state/tokens"), at("repo/data")} {
		cfg.Service.RestoreDirs = []string{dir}
		if told := RestoreDirProblems(cfg, own); len(told) != 1 {
			t.Errorf("with restores in %s: %q", dir, told)
		}
	}
}

// systemd can give a service a /tmp that nobody else sees: see the unit's
// PrivateTmp.
func TestPrivateTemp(t *testing.T) {
	mounts := []byte(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
310 22 8:1 /tmp/systemd-private-0f2c-holdfast.service-Xb1/tmp /tmp rw - ext4 /dev/sda1 rw
311 22 8:1 /var/tmp/systemd-private-0f2c-holdfast.service-Yc2/tmp /var/tmp rw - ext4 /dev/sda1 rw
312 22 0:40 / /srv rw - tmpfs tmpfs rw
`)
	for target, want := range map[string]string{"/tmp/x": "/tmp", "/tmp": "/tmp", "/var/tmp/x/y": "/var/tmp", "/srv/tmp/x": "", "/tmpx": ""} {
		if got := privateMount(mounts, target); got != want {
			t.Errorf("%s: %q", target, got)
		}
	}
	if got := privateMount([]byte("310 22 8:1 / /tmp rw - ext4 /dev/sda1 rw\n"), "/tmp/x"); got != "" {
		t.Errorf("with everybody's: %q", got)
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
