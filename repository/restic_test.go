package repository

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/storage/local"
	"holdfast/test/tools"
)

// restic runs restic on a repository and returns what it prints.
func restic(t *testing.T, dir, password string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tools.Restic(t), append([]string{"-r", dir, "--no-cache"}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("restic %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// restic opens our keys and we open its, both check what the other wrote.
func TestKeysAndBlobsAreRestics(t *testing.T) {
	if testing.Short() {
		t.Skip("runs restic")
	}
	dir := filepath.Join(t.TempDir(), "repo")
	s, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := initRepository(t, s, Options{})
	root := store(t, r, blob.Tree, []byte("{\"nodes\":[]}\n"))[0]
	if err := r.SaveSnapshot(t.Context(), &snapshot.Snapshot{Tree: root, Paths: []string{"/x"}}); err != nil {
		t.Fatal(err)
	}
	restic(t, dir, string(testPassword), "check", "--read-data")

	second := filepath.Join(t.TempDir(), "second")
	if err := os.WriteFile(second, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	restic(t, dir, string(testPassword), "key", "add", "--new-password-file", second)
	theirs, err := open(t, s, "second", "")
	if err != nil {
		t.Fatal(err)
	}
	wantBlob(t, loaded(t, theirs), tree(root), []byte("{\"nodes\":[]}\n"))
	if _, err := theirs.ChangePassword(t.Context(), []byte("third"), weakKey); err != nil {
		t.Fatal(err)
	}
	if out := restic(t, dir, "third", "cat", "config"); !bytes.Contains([]byte(out), []byte(r.ID())) {
		t.Errorf("restic prints %s", out)
	}
	restic(t, dir, "third", "key", "remove", r.KeyID().String())
	if keys, err := theirs.Keys(t.Context()); err != nil || len(keys) != 1 || !keys[0].Current {
		t.Errorf("%v, %v", keys, err)
	}
}
