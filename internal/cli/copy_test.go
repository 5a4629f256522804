package cli

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/restserver"
)

// damage flips a bit of one file in a folder of a repository, and returns the
// file's name.
func (s *shell) damage(repo, folder string) string {
	s.t.Helper()
	name := s.largest(filepath.Join(repo, folder))
	data, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	data[len(data)/3] ^= 1
	if err := os.Chmod(name, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return filepath.Base(name)
}

// largest returns the path of the largest file below a folder.
func (s *shell) largest(folder string) (name string) {
	s.t.Helper()
	var size int64
	err := filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Size() > size {
			name, size = path, info.Size()
		}
		return err
	})
	if err != nil || name == "" {
		s.t.Fatalf("no file below %s: %v", folder, err)
	}
	return name
}

// configure writes holdfast.yaml with a repository main, copies of it by their
// names, and a plan "docs" that covers the source.
func (s *shell) configure(copies ...string) {
	s.t.Helper()
	password := s.path("password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "repositories:\n  main: { url: %s, media: disk, site: here, password: { file: %s } }\n", s.repo, password)
	for n, name := range copies {
		fmt.Fprintf(&b, "  %s: { url: %s, media: tape, site: site%d, password: { file: %s } }\n", name, s.path(name), n, password)
	}
	fmt.Fprintf(&b, "sources:\n  docs: { files: { paths: [%s] } }\n", s.path("source"))
	fmt.Fprintf(&b, "plans:\n  docs:\n    sources: [docs]\n    repository: main\n    keep: { last: 100 }\n    copies: [%s]\n", strings.Join(copies, ", "))
	path := s.path("holdfast.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.t.Setenv("HOLDFAST_CONFIG", path)
}

func TestCopyGoesOnWithoutADestinationThatFails(t *testing.T) {
	s := newShell(t)
	s.backups()
	one := s.makeRepository("one")
	out := s.run(exitNoRepository, "copy", "--to", s.path("nowhere"), "--to", one)
	s.wants(out, "copied 3 snapshots to "+one, "copy to "+s.path("nowhere"))
	s.run(exitOK, "check", "--read-data", "-r", one)
}

func TestCopyReadsBack(t *testing.T) {
	s := newShell(t)
	s.backups()
	one := s.makeRepository("one")
	s.wants(s.run(exitOK, "copy", "--dry-run", "--to", one), "would copy 3 snapshots")
	s.wants(s.run(exitOK, "copy", "--read-back", "--json", "--to", one), `"snapshots_copied":3`, `"packs_read_back":`)
	if found, _ := filepath.Glob(filepath.Join(one, "holdfast", "evidence", "*-readback-*")); len(found) != 1 {
		t.Errorf("no record of it: %q", found)
	}
	s.run(exitOK, "check", "--read-data", "-r", one)
}

func TestCopyOfAPlan(t *testing.T) {
	s := newShell(t)
	s.backups()
	one, two := s.makeRepository("one"), s.makeRepository("two")
	s.configure("one", "two")
	t.Setenv("HOLDFAST_REPOSITORY", "")
	s.run(exitOK, "backup", "-r", "main", s.path("holdfast.yaml")) // which is of no plan
	s.wants(s.run(exitFailed, "copy", "--plan", "none"), `no plan "none"`)
	s.wants(s.run(exitFailed, "copy", "--plan", "docs", "--to", one), "has no copy in")
	s.wants(s.run(exitOK, "copy", "--plan", "docs"), "copied 3 snapshots to "+one, "copied 3 snapshots to "+two)
}

func TestMirror(t *testing.T) {
	s := newShell(t)
	s.backups()
	at := s.path("mirror")
	s.wants(s.run(exitFailed, "copy", "--to", at, "--delete"), "--mirror")
	s.wants(s.run(exitFailed, "copy", "--mirror", "--to", at, "latest"), "whole repository")
	s.wants(s.run(exitNoRepository, "copy", "--mirror", "--to", at), "--init")
	s.wants(s.run(exitOK, "copy", "--mirror", "--init", "--read-back", "--to", at), "copied", "read back and hashed")
	s.run(exitOK, "check", "--read-data", "-r", at)
	s.run(exitOK, "restore", "latest", "-r", at, "--target", s.path("back"), "--verify")
	s.run(exitOK, "forget", "latest~2", "--prune")
	s.wants(s.run(exitOK, "copy", "--mirror", "--to", at), "--delete would remove them")
	s.wants(s.run(exitOK, "copy", "--mirror", "--to", at, "--delete", "--dry-run"), "would delete")
	s.wants(s.run(exitOK, "copy", "--mirror", "--to", at, "--delete"), "deleted")
	s.run(exitOK, "check", "--read-data", "-r", at)
	other := s.makeRepository("other")
	s.wants(s.run(exitFailed, "copy", "--mirror", "--to", other), "another repository")
	s.damage(s.repo, "data")
	fresh := s.path("fresh")
	s.wants(s.run(exitFailed, "copy", "--mirror", "--init", "--to", fresh), "is damaged", "holdfast repair --from")
	s.damage(s.repo, "index")
	t.Setenv("HOLDFAST_CACHE_DIR", s.path("another-cache"))
	s.wants(s.run(exitFailed, "copy", "--mirror", "--init", "--to", s.path("fresher")), "2 files could not be copied")
	s.wants(s.run(exitOK, "copy", "--mirror", "--to", at), "copied 0 files") // it has them, and sound
}

// A mirror that is slow to answer holds up none of the others: here it answers
// once the other one is done.
func TestASlowMirrorHoldsUpNoOther(t *testing.T) {
	s := newShell(t)
	s.backups()
	server, err := restserver.New(t.Context(), restserver.Config{Path: s.path("served"), Open: app.LocalStores(false), NoAuth: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	quick := s.path("quick")
	waitForOther := sync.OnceValue(func() bool {
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if found, _ := filepath.Glob(filepath.Join(quick, "snapshots", "*")); len(found) == 3 {
				return true
			}
		}
		return false
	})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !waitForOther() {
			t.Error("the other mirror waits for this one")
		}
		server.ServeHTTP(w, r)
	}))
	defer slow.Close()
	at := "rest:" + slow.URL + "/slow/"
	s.wants(s.run(exitOK, "copy", "--mirror", "--init", "--to", at, "--to", quick), "to "+at, "to "+quick)
	for _, mirror := range []string{at, quick} {
		s.run(exitOK, "check", "--read-data", "-r", mirror)
	}
	s.wants(s.run(exitNoRepository, "copy", "--mirror", "--to", s.path("nowhere"), "--to", quick), "nowhere", "copied 0 files")
}

func TestForgetOfAPlan(t *testing.T) {
	s := newShell(t)
	s.backups()
	s.makeRepository("one")
	s.makeRepository("other")
	s.configure("one")
	config, err := os.ReadFile(s.path("holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(config), "copies: [one]", "copies: [{ to: one, keep: { last: 2 } }]", 1)
	if err := os.WriteFile(s.path("holdfast.yaml"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOLDFAST_REPOSITORY", "")
	s.run(exitOK, "backup", "-r", "main", s.path("holdfast.yaml")) // which is of no plan
	s.run(exitOK, "copy", "-r", "main", "--to", "one")
	s.wants(s.run(exitOK, "forget", "-r", "one", "--plan", "docs", "--trust-times"), "removed 1 snapshot")
	s.wants(s.run(exitOK, "forget", "-r", "main", "--plan", "docs", "--trust-times"), "removed 0 snapshots")
	s.wants(s.run(exitFailed, "forget", "-r", s.path("other"), "--plan", "docs"), "brings nothing to")
	s.wants(s.run(exitFailed, "forget", "-r", "one", "--plan", "docs", "latest"), "--plan says what to keep")
}
