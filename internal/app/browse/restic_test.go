package browse

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/secret"
	"holdfast/test/tools"
)

// What restic made is looked into like all else.
func TestARepositoryOfRestic(t *testing.T) {
	o := newWorld(t)
	source := filepath.Join(t.TempDir(), "source")
	if err := os.MkdirAll(filepath.Join(source, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"bad\xffname": "1", "sub/letter": "dear", "line\nbreak": "3"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(o.dir, "restic")
	restic := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), tools.Restic(t), append([]string{"-r", dir, "--no-cache", "--password-file", filepath.Join(o.dir, "password")}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("restic %v: %v\n%s", args, err, out)
		}
	}
	restic("init")
	restic("backup", source)
	if err := os.WriteFile(filepath.Join(source, "sub", "letter"), []byte("dear all"), 0o600); err != nil {
		t.Fatal(err)
	}
	restic("backup", source)
	o.cfg.Repositories["restic"] = config.Repository{URL: dir, Password: secret.Ref{File: filepath.Join(o.dir, "password")}}
	o.plan("home", "docs", "restic")
	o.cfg.Sources["docs"] = config.Source{Files: &config.Files{Paths: []string{source}}}
	b := o.browser(quick)

	list, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "restic", Plan: "home"})
	if err != nil || list.Total != 2 || list.Snapshots[0].Source != "docs" || list.Snapshots[0].Files != 3 {
		t.Fatalf("got %+v, %v", list, err)
	}
	page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "restic", Snapshot: "latest", Path: api.PathText(source)})
	if err != nil || names(page) != `sub bad\xffname line\x0abreak` {
		t.Errorf("got %s, %v", names(page), err)
	}
	var got string
	err = download(t, b, api.DownloadQuery{Repository: "restic", Snapshot: "latest", Path: source + "/sub/letter"}, &got)
	if err != nil || got != "dear all" {
		t.Errorf("got %q, %v", got, err)
	}
	var changes []string
	err = b.Diff(t.Context(), api.DiffQuery{Repository: "restic", From: list.Snapshots[1].ID, To: list.Snapshots[0].ID}, func(d api.Difference) error {
		changes = append(changes, d.Change+" "+d.Path)
		return nil
	})
	if err != nil || len(changes) != 1 || changes[0] != "changed "+api.PathText(source)+"/sub/letter" {
		t.Errorf("got %q, %v", changes, err)
	}
}
