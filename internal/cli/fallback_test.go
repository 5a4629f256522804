package cli

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withCopy makes a repository with one backup of a file whose content is
// returned, a copy of it named "copy", and a mirror named "mirror".
func (s *shell) withCopy() (content string) {
	s.t.Helper()
	noise := make([]byte, 40_000)
	rand.NewChaCha8([32]byte{}).Read(noise) //nolint:errcheck // it never fails
	content = string(noise)
	s.write("letter", content)
	s.run(exitOK, "backup", s.path("source"))
	s.makeRepository("copy")
	s.run(exitOK, "copy", "--to", s.path("copy"))
	s.run(exitOK, "copy", "--mirror", "--init", "--to", s.path("mirror"))
	return content
}

func (s *shell) wantRestored(content string, out string, hints ...string) {
	s.t.Helper()
	s.wants(out, hints...)
	got, err := os.ReadFile(filepath.Join(s.path("back"), s.path("source"), "letter"))
	if err != nil || string(got) != content {
		s.t.Errorf("not restored: %v\n%s", err, out)
	}
	if err := os.RemoveAll(s.path("back")); err != nil {
		s.t.Error(err)
	}
}

func TestRestoreFallsBackWhenAPackIsDamaged(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	pack := s.damage(s.repo, "data")
	s.wants(s.run(exitFailed, "restore", "latest", "--target", s.path("back")), "damaged")
	for _, name := range []string{"copy", "mirror"} {
		out := s.run(exitOK, "restore", "latest", "--target", s.path("back"), "--fallback", s.path(name))
		s.wantRestored(content, out, "pack "+pack[:8], "reading the copy at "+s.path(name), "holdfast repair --from "+s.path(name))
		if n := strings.Count(out, "reading the copy"); n != 1 {
			t.Errorf("told %d times:\n%s", n, out)
		}
	}
	s.configure("copy")
	s.wantRestored(content, s.run(exitOK, "restore", "-r", "main", "latest", "--target", s.path("back")), "reading the copy at "+s.path("copy"))
	s.run(exitFailed, "restore", "-r", "main", "latest", "--target", s.path("back"), "--no-fallback")
	s.wants(s.run(exitOK, "dump", "-r", "main", "latest", filepath.Join(s.path("source"), "letter")), content)
}

func TestRestoreFallsBackWhenTheStoreIsGone(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	made := s.run(exitOK, "snapshots", "--json")
	_, made, _ = strings.Cut(made, `"short_id":"`)
	made = made[:8]
	s.configure("copy")
	if err := os.Rename(s.repo, s.repo+".away"); err != nil {
		t.Fatal(err)
	}
	out := s.run(exitOK, "restore", "-r", "main", "latest", "--target", s.path("back"))
	s.wantRestored(content, out, s.repo+" cannot be used", "reading the copy at "+s.path("copy"))
	// The ID is the one that the snapshot has in the repository that is gone.
	out = s.run(exitOK, "restore", "-r", "main", made, "--target", s.path("back"))
	s.wantRestored(content, out, "reading the copy at "+s.path("copy"))
	s.wants(s.run(exitOK, "ls", "-r", "main", "latest"), "letter")
	s.run(exitNoRepository, "restore", "-r", "main", "latest", "--target", s.path("back"), "--no-fallback")
}

func TestRestoreFallsBackWhenTheIndexIsGone(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	t.Setenv("HOLDFAST_CACHE_DIR", s.path("another-cache"))
	s.damage(s.repo, "index")
	out := s.run(exitOK, "restore", "latest", "--target", s.path("back"), "--fallback", s.path("copy"))
	s.wantRestored(content, out, s.repo+" cannot be used", "index")
	if err := os.RemoveAll(filepath.Join(s.repo, "index")); err != nil {
		t.Fatal(err)
	}
	out = s.run(exitOK, "restore", "latest", "--target", s.path("back"), "--fallback", s.path("copy"))
	s.wantRestored(content, out, "reading the copy at")
}

func TestFallbackLeavesWrongPasswordsAndLocksToTheUser(t *testing.T) {
	s := newShell(t)
	s.withCopy()
	s.configure("copy")
	t.Setenv("HOLDFAST_PASSWORD", "wrong")
	s.run(exitPassword, "ls", "-r", "main", "latest")
}
