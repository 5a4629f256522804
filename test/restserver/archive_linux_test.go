package restserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/program"
	"holdfast/test/servers"
)

// Archives lie below holdfast/ on our server. Restic's has no room for them, and
// that is said before one is made.
func TestArchives(t *testing.T) {
	ours := serve(t, t.TempDir(), "--no-auth", "--listen", "127.0.0.1:0", "--append-only")
	dir := t.TempDir()
	passphrase, source := filepath.Join(dir, "passphrase"), filepath.Join(dir, "source")
	must(t, os.WriteFile(passphrase, []byte("correct horse\n"), 0o600))
	must(t, os.Mkdir(source, 0o755))
	must(t, os.WriteFile(filepath.Join(source, "a"), []byte("content"), 0o600))
	h := program.Holdfast(t).In(dir).On(filepath.Join(dir, "repo"), password)
	h.Run(t, "init")
	h.Run(t, "backup", "source")

	place := "rest:http://" + ours.address + "/archives"
	h.Run(t, "archive", "export", "latest", "--to", place, "--name", "first", "--passphrase-file", passphrase)
	if out := h.Run(t, "archive", "list", place); !strings.Contains(out, "first") {
		t.Errorf("list says %s", out)
	}
	h.Run(t, "archive", "verify", place, "--passphrase-file", passphrase)
	back := filepath.Join(dir, "back")
	h.Run(t, "archive", "import", place, "first", "--passphrase-file", passphrase, "--target", back)
	if text, err := os.ReadFile(filepath.Join(back, "source", "a")); err != nil || string(text) != "content" {
		t.Errorf("came back %q, %v", text, err)
	}

	theirs := servers.Rest(t)
	r := h.Exits(t, 1, "archive", "export", "latest", "--to", "rest:"+theirs.URL+"archives", "--passphrase-file", passphrase)
	if !strings.Contains(r.Stderr, "holdfast rest-server") {
		t.Errorf("restic's server: %s", r.Stderr)
	}
}
