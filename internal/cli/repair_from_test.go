package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// remove deletes the largest file of a folder of a repository.
func (s *shell) remove(repo, folder string) {
	s.t.Helper()
	if err := os.Remove(s.largest(filepath.Join(repo, folder))); err != nil {
		s.t.Fatal(err)
	}
}

// wantHealed heals the repository from a copy and makes sure of it.
func (s *shell) wantHealed(content string, from string, flags ...string) string {
	s.t.Helper()
	out := s.run(exitOK, append([]string{"repair", "--from", s.path(from)}, flags...)...)
	s.wants(out, "a new check finds nothing wrong")
	s.run(exitOK, "check", "--read-data")
	s.wantRestored(content, s.run(exitOK, "restore", "latest", "--target", s.path("back"), "--no-fallback"))
	s.wants(s.run(exitOK, "repair", "--from", s.path(from)), "nothing is wrong")
	return out
}

func TestRepairFromMirror(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	pack := s.largest(filepath.Join(s.repo, "data"))
	sound, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	s.damage(s.repo, "data")
	s.wants(s.run(exitOK, "repair", "--from", s.path("mirror")), "nothing is wrong", "--read-data looks at all data")
	s.wants(s.wantHealed(content, "mirror", "--read-data"), "byte for byte")
	if healed, err := os.ReadFile(pack); err != nil || !bytes.Equal(healed, sound) {
		t.Errorf("the pack is not what it was: %v", err)
	}
	s.remove(s.repo, "data")
	s.wants(s.wantHealed(content, "mirror"), "byte for byte")
	for _, folder := range []string{"index", "snapshots"} {
		s.damage(s.repo, folder)
		s.wants(s.wantHealed(content, "mirror"), "is healed")
	}
}

func TestRepairFromCopy(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	s.damage(s.repo, "data")
	s.wants(s.wantHealed(content, "copy", "--read-data"), "again in new packs; 1 pack given up")
	s.remove(s.repo, "data")
	s.wants(s.wantHealed(content, "copy"), "again in new packs")
	s.damage(s.repo, "index")
	s.wantHealed(content, "copy")
	if err := os.RemoveAll(filepath.Join(s.repo, "index")); err != nil {
		t.Fatal(err)
	}
	s.wantHealed(content, "copy")
	s.damage(s.repo, "snapshots")
	s.wantHealed(content, "copy")
}

// Packs and the index files that list them may go together.
func TestRepairFromCopyWhenNearlyAllIsGone(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	for _, folder := range []string{"data", "index"} {
		if err := os.RemoveAll(filepath.Join(s.repo, folder)); err != nil {
			t.Fatal(err)
		}
	}
	s.wantHealed(content, "copy")
}

func TestRepairLeavesWhatNoCopyHas(t *testing.T) {
	s := newShell(t)
	s.withCopy()
	s.damage(s.repo, "data")
	pack := s.largest(filepath.Join(s.repo, "data"))
	empty := s.makeRepository("empty")
	out := s.run(exitFailed, "repair", "--from", empty, "--read-data")
	s.wants(out, "cannot be healed", "name another copy with --from")
	if _, err := os.Stat(pack); err != nil {
		t.Errorf("the damaged pack is gone, and nothing took its place: %v", err)
	}
	s.wants(s.run(exitFailed, "repair", "--from", s.path("nowhere")), "none of the copies can be used")
	s.wants(s.run(exitFailed, "repair", "--read-data"), "--from")
	s.wants(s.run(exitOK, "repair"), "index, packs, snapshots")
	s.wants(s.run(exitOK, "repair", "--from", empty, "--from", s.path("copy"), "--read-data", "--json"), `"lost":0,"sound":true`)
}

func TestRepairPacksFromCopy(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	pack := s.damage(s.repo, "data")
	s.wants(s.run(exitOK, "repair", "packs", "--no-backup", "--from", s.path("copy"), pack), "came from copies", "lost 0 blobs")
	s.run(exitOK, "check", "--read-data")
	s.wantRestored(content, s.run(exitOK, "restore", "latest", "--target", s.path("back")))
}

func TestRepairSnapshotsFromCopy(t *testing.T) {
	s := newShell(t)
	content := s.withCopy()
	s.remove(s.repo, "data")
	s.run(exitOK, "repair", "index")
	s.wants(s.run(exitOK, "repair", "snapshots", "--forget", "--from", s.path("copy")), "brought back from copies", "0 were damaged")
	s.run(exitOK, "check", "--read-data")
	s.wantRestored(content, s.run(exitOK, "restore", "latest", "--target", s.path("back")))
}
