package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/repository"
	"holdfast/storage/local"
)

// shell runs command lines on a repository of its own.
type shell struct {
	t    *testing.T
	dir  string
	repo string
}

// newShell makes a repository whose key costs nothing, and a source.
func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{t: t, dir: t.TempDir()}
	t.Setenv("HOLDFAST_PASSWORD", "correct horse")
	t.Setenv("HOLDFAST_CACHE_DIR", filepath.Join(s.dir, "cache"))
	t.Setenv("HOLDFAST_CONFIG", "")
	t.Setenv("XDG_CONFIG_HOME", s.dir)
	s.repo = s.makeRepository("repo")
	t.Setenv("HOLDFAST_REPOSITORY", s.repo)
	if err := os.Mkdir(s.path("source"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shell) path(name string) string { return filepath.Join(s.dir, name) }

func (s *shell) makeRepository(name string) string {
	s.t.Helper()
	password := []byte(os.Getenv("HOLDFAST_PASSWORD"))
	store, err := local.Create(s.path(name))
	if err == nil {
		var r *repository.Repository
		in := repository.InitOptions{Password: password, KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
		if r, err = repository.Init(s.t.Context(), store, in, repository.Options{Password: password}); err == nil {
			err = r.Close()
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

func (s *shell) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.path("source"), name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a command line and returns what it printed; it must end with the
// code.
func (s *shell) run(code int, line ...string) string {
	s.t.Helper()
	var out, errs bytes.Buffer
	if got := Run(s.t.Context(), line, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); got != code {
		s.t.Fatalf("holdfast %q ended with %d, want %d\n%s%s", line, got, code, &out, &errs)
	}
	return out.String() + errs.String()
}

// wants checks that a text holds others.
func (s *shell) wants(text string, parts ...string) {
	s.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			s.t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

// backups makes snapshots of January, February and March, and of a file that
// only the first two have.
func (s *shell) backups() {
	s.t.Helper()
	s.write("old", strings.Repeat("old", 1000))
	for n, month := range []string{"01", "02", "03"} {
		s.write("new", month)
		if n == 2 {
			if err := os.Remove(filepath.Join(s.path("source"), "old")); err != nil {
				s.t.Fatal(err)
			}
		}
		s.run(exitOK, "backup", "--host", "www", "--time", "2026-"+month+"-01 10:00:00", s.path("source"))
	}
}

func TestForgetAndPrune(t *testing.T) {
	s := newShell(t)
	s.backups()
	s.wants(s.run(exitFailed, "forget"), "no policy was given")
	s.wants(s.run(exitFailed, "forget", "--unsafe-allow-remove-all"), "--host, --tag or --path")
	s.wants(s.run(exitFailed, "forget", "--keep-tag", "none"), "would remove every snapshot")
	s.wants(s.run(exitFailed, "forget", "--keep-last", "1", "latest"), "not both")
	s.wants(s.run(exitFailed, "forget", "beef"), "no such snapshot")
	s.wants(s.run(exitOK, "forget", "--keep-monthly", "2", "--dry-run", "--prune"),
		"snapshots for host www", "monthly snapshot", "would remove 1 snapshot", "would free:")
	s.wants(s.run(exitOK, "forget", "latest~2"), "removed 1 snapshot")
	var groups []struct {
		Host         string
		Keep, Remove []struct{ ID, Tree string }
		Reasons      []struct{ Matches []string }
	}
	if err := json.Unmarshal([]byte(s.run(exitOK, "forget", "--keep-last", "1", "--json")), &groups); err != nil {
		t.Fatal(err)
	}
	if len(groups) != 1 || groups[0].Host != "www" || len(groups[0].Keep) != 1 || len(groups[0].Remove) != 1 || len(groups[0].Reasons[0].Matches) != 1 {
		t.Errorf("%+v", groups)
	}
	s.wants(s.run(exitOK, "prune", "--dry-run", "-v"), "would free:", "delete: pack ")
	s.wants(s.run(exitOK, "prune", "--json"), `"message_type":"prune_plan"`, `"message_type":"summary"`)
	s.wants(s.run(exitOK, "prune"), "nothing to do")
	s.run(exitOK, "check", "--read-data")
}

func TestForgetWarnsOfSnapshotsFromTheFuture(t *testing.T) {
	s := newShell(t)
	s.write("a", "a")
	s.run(exitOK, "backup", "--time", "2026-01-01 10:00:00", s.path("source"))
	s.run(exitOK, "backup", "--time", "9000-01-01 10:00:00", s.path("source"))
	s.wants(s.run(exitOK, "forget", "--keep-last", "1"), "in the future", "removed 0 snapshots")
}

func TestCopyToSeveral(t *testing.T) {
	s := newShell(t)
	s.backups()
	one, two := s.makeRepository("one"), s.makeRepository("two")
	s.wants(s.run(exitFailed, "copy"), "--to")
	s.wants(s.run(exitNoRepository, "copy", "--to", s.path("nowhere")), "no repository found")
	s.wants(s.run(exitOK, "copy", "--to", one, "--to", two), "copied 3 snapshots to "+one, "copied 3 snapshots to "+two)
	s.wants(s.run(exitOK, "copy", "-r", one, "--from-repo", s.repo), "copied 0 snapshots", "3 were there already")
	s.run(exitOK, "check", "--read-data", "-r", two)
	t.Setenv("HOLDFAST_TO_PASSWORD", "wrong")
	s.wants(s.run(exitPassword, "copy", "--to", one), "password")
}

func TestTagAndRewrite(t *testing.T) {
	s := newShell(t)
	s.backups()
	s.wants(s.run(exitFailed, "tag"), "nothing to do")
	s.wants(s.run(exitFailed, "tag", "--add", "holdfast:type=full"), "reserved")
	s.wants(s.run(exitOK, "tag", "--add", "x,y", "latest"), "changed 1 snapshot")
	s.wants(s.run(exitOK, "tag", "--set", "", "--tag", "x", "--json"), `"changed_snapshots":1`)
	s.wants(s.run(exitFailed, "rewrite"), "nothing to do")
	s.wants(s.run(exitOK, "rewrite", "--exclude", "old", "--dry-run", "-v"), "excluded  "+s.path("source/old"), "would change 2 snapshots")
	s.wants(s.run(exitOK, "rewrite", "--exclude", "old", "--forget"), "changed 2 snapshots")
	s.wants(s.run(exitOK, "rewrite", "--exclude", "old", "--forget"), "changed 0 snapshots")
	s.run(exitOK, "check", "--read-data")
}

func TestKeys(t *testing.T) {
	s := newShell(t)
	second := s.path("second")
	if err := os.WriteFile(second, []byte("battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.wants(s.run(exitOK, "key", "add", "--new-password-file", second, "--user", "alice", "--host", "db"), "added key")
	s.wants(s.run(exitOK, "key", "list"), "alice", "db", "*")
	var keys []struct {
		ID      string
		Current bool
	}
	if err := json.Unmarshal([]byte(s.run(exitOK, "key", "list", "--json")), &keys); err != nil || len(keys) != 2 {
		t.Fatalf("%+v, %v", keys, err)
	}
	for _, k := range keys {
		if k.Current {
			s.wants(s.run(exitFailed, "key", "remove", k.ID), "key in use")
			s.run(exitOK, "key", "remove", k.ID[:12], "-p", second)
		}
	}
	s.wants(s.run(exitPassword, "key", "list"), "password")
	s.wants(s.run(exitFailed, "key", "passwd", "-p", second), "--new-password-file")
}

func TestUnlock(t *testing.T) {
	s := newShell(t)
	lock := filepath.Join(s.repo, "locks", strings.Repeat("a", 64))
	if err := os.MkdirAll(filepath.Dir(lock), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.wants(s.run(exitOK, "unlock"), "removed 1 lock")
	s.wants(s.run(exitOK, "unlock", "--json", "--remove-all"), `"removed":0`)
}

// Whoever reads the help of these must find what they are for and an example.
func TestUpkeepCommandsHaveHelp(t *testing.T) {
	for _, name := range []string{"forget", "prune", "copy", "tag", "rewrite", "key", "unlock"} {
		cmd, _, err := Tree().Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range append(cmd.Commands(), cmd) {
			if c.Short == "" || c.Long == "" || c.Example == "" {
				t.Errorf("%s lacks a description or an example", c.CommandPath())
			}
		}
	}
}
