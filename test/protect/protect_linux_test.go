// Package protect proves `holdfast protect` from outside: the first run on a
// fresh machine, runs after a kill, and what somebody with nothing but the
// recovery kit can do.
package protect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/oddities"
	"holdfast/test/program"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// machine is one with holdfast and a folder worth protecting.
type machine struct {
	home, folder string
	holdfast     program.Program
}

func newMachine(t *testing.T) machine {
	t.Helper()
	home := t.TempDir()
	m := machine{home: home, folder: filepath.Join(home, "Documents")}
	m.holdfast = program.Holdfast(t).With("HOME="+home, "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "XDG_DATA_HOME=")
	return m
}

// fill puts some files into the folder.
func (m machine) fill(t *testing.T) {
	t.Helper()
	for name, content := range map[string]string{
		"letter.txt": "dear Ann", "photos/cat": strings.Repeat("meow", 50_000), "photos/empty": "",
	} {
		path := filepath.Join(m.folder, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

func (m machine) config(name string) string {
	return filepath.Join(m.home, ".config", "holdfast", name)
}

func (m machine) data(name string) string {
	return filepath.Join(m.home, ".local", "share", "holdfast", name)
}

// result is what the message of protect says, as far as it is looked at.
type result struct {
	SetUp           bool   `json:"set_up"`
	RepositoryMade  bool   `json:"repository_made"`
	PasswordMade    bool   `json:"password_made"`
	Files           uint64 `json:"files"`
	Type            string `json:"type"`
	SameDisk        bool   `json:"same_disk"`
	SnapshotID      string `json:"snapshot_id"`
	Unreadable      int    `json:"unreadable"`
	RecoveryKit     string `json:"recovery_kit"`
	Next            []string
	Proof           proof
	MessageTypeName string `json:"message_type"`
}

type proof struct {
	Passed      bool   `json:"passed"`
	Files       uint64 `json:"files"`
	Parts       int    `json:"parts"`
	NotRestored uint64 `json:"not_restored"`
}

// protect runs protect, which must succeed.
func (m machine) protect(t *testing.T, args ...string) result {
	t.Helper()
	all := program.JSON[result](t, m.holdfast, append([]string{"protect"}, args...)...)
	last := all[len(all)-1]
	if last.MessageTypeName != "protected" || !last.Proof.Passed {
		t.Fatalf("got %+v", last)
	}
	return last
}

func TestFirstAndSecondRun(t *testing.T) {
	m := newMachine(t)
	m.fill(t)
	first := m.protect(t, m.folder)
	if !first.SetUp || !first.RepositoryMade || !first.PasswordMade || first.Type != "full" ||
		first.Files != 3 || first.Proof.Files != 3 || !first.SameDisk {
		t.Errorf("the first run: %+v", first)
	}
	must(t, os.WriteFile(filepath.Join(m.folder, "new"), []byte("new"), 0o644))
	kept := []string{m.config("holdfast.yaml"), m.config("local.password"), m.config("local.recovery-kit.txt")}
	before := readAll(t, kept)
	second := m.protect(t, m.folder)
	if second.SetUp || second.RepositoryMade || second.PasswordMade || second.Type != "incremental" || second.Proof.Files != 4 {
		t.Errorf("the second run: %+v", second)
	}
	if after := readAll(t, kept); after != before {
		t.Errorf("the set-up changed from\n%s\nto\n%s", before, after)
	}
	for _, path := range kept {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if _, err := os.Stat(m.data("scratch")); !os.IsNotExist(err) {
		t.Errorf("the scratch folder is still there: %v", err)
	}
}

// The repository, cache, password and scratch are in the home that is
// protected, and never in its backup.
func TestProtectHome(t *testing.T) {
	m := newMachine(t)
	m.fill(t)
	m.protect(t, m.home)
	r := m.protect(t, m.home) // by now all of them are there
	back := t.TempDir()
	m.holdfast.Run(t, "restore", r.SnapshotID, "--target", back)
	for _, path := range []string{m.data("repository/config"), m.data("scratch"), filepath.Join(m.home, ".cache/holdfast"), m.config("local.password"), m.config("local.recovery-kit.txt")} {
		entries, err := os.ReadDir(filepath.Join(back, path))
		if _, serr := os.Lstat(filepath.Join(back, path)); serr == nil && (err != nil || len(entries) > 0) {
			t.Errorf("%s was backed up", path)
		}
	}
	for _, path := range []string{filepath.Join(m.folder, "letter.txt"), m.config("holdfast.yaml")} {
		if _, err := os.Lstat(filepath.Join(back, path)); err != nil {
			t.Errorf("%s was not backed up: %v", path, err)
		}
	}
}

func TestLittleScratchSpace(t *testing.T) {
	m := newMachine(t)
	m.fill(t)
	r := m.protect(t, m.folder, "--scratch-limit", "50k")
	if r.Proof.NotRestored != 1 || r.Proof.Files != 3 || r.Proof.Parts < 2 {
		t.Errorf("got %+v", r.Proof)
	}
	out := m.holdfast.Run(t, "protect", m.folder, "--scratch-limit", "50k")
	if !strings.Contains(out, " parts, one after the other") || !strings.Contains(out, m.folder+"/photos/cat") {
		t.Errorf("it does not say what was restored in parts, and what not at all:\n%s", out)
	}
}

func TestExitCodesAndNextSteps(t *testing.T) {
	m := newMachine(t)
	m.fill(t)
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no path", nil, 1, "holdfast protect ~/Documents"},
		{"a database", []string{"mysql://localhost/shop"}, 1, "not supported by this version"},
		{"a server that is not there", []string{"postgres://localhost:1/shop"}, 1, "connect to PostgreSQL"},
		{"nothing there", []string{m.home + "/none"}, 1, "does not exist"},
		{"the repository in itself", []string{m.folder, "--to", m.folder}, 1, "name another folder with --to"},
		{"a place of another kind", []string{m.folder, "--to", "gopher:hole"}, 1, "there is no kind of place"},
		{"a folder in use", []string{m.folder + "/photos", "--to", m.folder}, 1, "name another folder with --to"},
		{"an unmounted disk", []string{m.folder, "--to", m.home + "/mnt/disk"}, 1, "mount"},
		{"no lock", []string{m.folder, "--no-lock"}, 1, "--no-lock"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := m.holdfast.Exits(t, c.code, append([]string{"protect"}, c.args...)...)
			if !strings.Contains(r.Stderr, c.want) {
				t.Errorf("got %q, want %q", r.Stderr, c.want)
			}
		})
	}
	if _, err := os.Stat(m.config("holdfast.yaml")); !os.IsNotExist(err) {
		t.Errorf("a run that could not begin has written holdfast.yaml: %v", err)
	}
}

func TestMissingRepositoryIsNotMadeAnew(t *testing.T) {
	m := newMachine(t)
	m.fill(t)
	m.protect(t, m.folder)
	must(t, os.Rename(m.data("repository"), m.data("unmounted")))
	if r := m.holdfast.Exits(t, 10, "protect", m.folder); !strings.Contains(r.Stderr, "mount that") {
		t.Errorf("got %q", r.Stderr)
	}
	must(t, os.Rename(m.data("unmounted"), m.data("repository")))
	must(t, os.Rename(m.config("local.password"), m.config("mislaid")))
	if r := m.holdfast.Exits(t, 1, "protect", m.folder); !strings.Contains(r.Stderr, "password file is gone") {
		t.Errorf("got %q", r.Stderr)
	}
}

func TestUnreadableFilesGiveExitCode3(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read everything")
	}
	m := newMachine(t)
	m.fill(t)
	must(t, os.Chmod(filepath.Join(m.folder, "letter.txt"), 0))
	r := m.holdfast.Exits(t, 3, "protect", m.folder)
	if !strings.Contains(r.Stdout, "NOT protected: 1 item") || !strings.Contains(r.Stdout, "restore test    passed") {
		t.Errorf("got\n%s", r.Output())
	}
}

// With the kit alone, restic brings everything back.
func TestKitIsEnough(t *testing.T) {
	m := newMachine(t)
	must(t, os.MkdirAll(m.folder, 0o755))
	// Without what restic itself does not bring back.
	oddities.Make(t, m.folder, oddities.Deep, oddities.HardLinks, oddities.Times)
	kit := read(t, m.protect(t, m.folder, "--with-password").RecoveryKit)
	repository, password := fact(t, kit, "repository"), fact(t, kit, "password")
	back := t.TempDir()
	restic := program.New(t, tools.Restic(t)).On(repository, password)
	restic.Run(t, "check", "--read-data")
	restic.Run(t, "restore", "latest", "--target", back)
	oddities.Compare(t, m.folder, filepath.Join(back, m.folder))
	if kit = read(t, m.protect(t, m.folder).RecoveryKit); strings.Contains(kit, password) {
		t.Error("the password is still in the kit")
	}
}

// fact returns what the kit says under a heading.
func fact(t *testing.T, kit, heading string) string {
	t.Helper()
	for line := range strings.Lines(kit) {
		if rest, ok := strings.CutPrefix(line, "  "+heading+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("the kit has no %s:\n%s", heading, kit)
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func readAll(t *testing.T, paths []string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range paths {
		all.WriteString(read(t, path))
	}
	return all.String()
}
