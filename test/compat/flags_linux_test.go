package compat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/test/program"
	"holdfast/test/tools"
)

// configOf returns the config of a repository.
func configOf(t *testing.T, by program.Program) map[string]any {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal([]byte(by.Run(t, "cat", "config")), &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// A repository made with the cut points of another one stores what is copied
// there, and backed up there, once.
func TestCutPointsOfAnother(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		first, folder := resticPlace(t, restic), largeFolder(t)
		first.restic.Run(t, "backup", folder)
		for _, made := range []string{"by holdfast", "by restic"} {
			t.Run(made, func(t *testing.T) {
				second := newPlace(t, restic)
				second.ours, second.restic = second.ours.On(second.dir, "second"), second.restic.On(second.dir, "second")
				maker := second.ours
				if made == "by restic" {
					maker = second.restic
				}
				maker.With("RESTIC_FROM_REPOSITORY="+first.dir, "RESTIC_FROM_PASSWORD="+password).Run(t, "init", "--copy-chunker-params")
				same(t, "polynomial", configOf(t, second.restic)["chunker_polynomial"], configOf(t, first.restic)["chunker_polynomial"])
				second.ours.With("RESTIC_FROM_PASSWORD="+password).Run(t, "copy", "--from-repo", first.dir)
				for _, by := range []program.Program{second.ours, second.restic} {
					if added := backup(t, by, folder, "--force").DataBlobs; added != 0 {
						t.Errorf("%d blobs are stored again", added)
					}
				}
				second.restic.Run(t, "check", "--read-data")
			})
		}
	})
}

// largeFolder has a file of several chunks.
func largeFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "large")
	content := make([]byte, 12<<20)
	for n, x := 0, uint32(1); n < len(content); n++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		content[n] = byte(x)
	}
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "file"), content, 0o644))
	return dir
}

// A repository without a password is one for both programs.
func TestNoPassword(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p := newPlace(t, restic)
		for _, by := range [][2]program.Program{{p.ours, p.restic}, {p.restic, p.ours}} {
			dir := filepath.Join(t.TempDir(), "open")
			maker, other := by[0].On(dir, ""), by[1].On(dir, "")
			maker.Run(t, "init", "--insecure-no-password")
			other.Run(t, "snapshots", "--insecure-no-password")
			other.Exits(t, 12, "snapshots", "--password-command", "echo some")
			other.Run(t, "key", "add", "--insecure-no-password", "--new-password-file", fileWith(t, "some"), "--user", "ann", "--host", "elsewhere")
			if out := maker.On(dir, "some").Run(t, "key", "list"); !strings.Contains(out, "ann") || !strings.Contains(out, "elsewhere") {
				t.Errorf("keys:\n%s", out)
			}
		}
	})
}

func fileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// What forgotten snapshots have left is found, and restored by both.
func TestRecover(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p, folder := resticPlace(t, restic), oddFolder(t)
		backup(t, p.restic, folder)
		kept := filepath.Join(t.TempDir(), "kept")
		must(t, os.Mkdir(kept, 0o755))
		must(t, os.WriteFile(filepath.Join(kept, "file"), []byte("kept"), 0o644))
		backup(t, p.ours, kept)
		root := snapshots(t, p.ours, 2)[0]
		if out := p.ours.Run(t, "recover"); !strings.Contains(out, "there is nothing to recover") {
			t.Errorf("nothing was lost, and this is found:\n%s", out)
		}
		p.restic.Run(t, "forget", root.ID)
		if out := p.ours.Run(t, "recover", "--dry-run"); !strings.Contains(out, root.Tree) {
			t.Errorf("a dry run finds\n%s", out)
		}
		snapshots(t, p.ours, 1)
		p.ours.Run(t, "recover")
		made := snapshots(t, p.ours, 2)[1]
		if !slices.Equal(made.Tags, []string{"recovered"}) || !slices.Equal(made.Paths, []string{"/recover"}) {
			t.Errorf("recovered: %+v", made)
		}
		ref := made.ID + ":/" + root.Tree
		wantRestored(t, p.ours, ref, folder)
		wantRestored(t, p.restic, ref, folder, resticLosses...)
		p.wantSound(t)
	})
}

// summarised is what a snapshot says of its files.
type summarised struct {
	Tags    []string
	Summary *struct {
		Files uint64 `json:"total_files_processed"`
		Bytes uint64 `json:"total_bytes_processed"`
	}
}

// Snapshots of old versions get the summary that new ones have.
func TestSnapshotSummary(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p, folder := resticPlace(t, restic), oddFolder(t)
		backup(t, p.restic, folder)
		want := program.JSON[summarised](t, p.restic, "snapshots")[0].Summary
		p.ours.Run(t, "rewrite", "--snapshot-summary", "--forget")
		if got := snapshots(t, p.ours, 1)[0]; got.Original != "" {
			t.Errorf("a snapshot that says so was changed: %+v", got)
		}
		forgetSummary(t, p)
		p.ours.Run(t, "rewrite", "-s", "--forget")
		all := program.JSON[summarised](t, p.restic, "snapshots")
		if len(all) != 1 || all[0].Summary == nil || *all[0].Summary != *want {
			t.Errorf("%+v, want %+v", all[0].Summary, want)
		}
		p.wantSound(t)
	})
}

// forgetSummary makes the only snapshot one of an old version.
func forgetSummary(t *testing.T, p place) {
	t.Helper()
	r := p.open(t)
	all, err := r.Snapshots(t.Context())
	must(t, err)
	old := all[0].Clone()
	old.Summary = nil
	must(t, r.SaveSnapshot(t.Context(), old))
	p.ours.Run(t, "forget", all[0].ID.String(), "--unsafe-allow-remove-all")
}

// The newest restic and holdfast leave the same of a snapshot.
func TestRewriteToWhatIsIncluded(t *testing.T) {
	p := resticPlace(t, program.New(t, tools.ResticSid(t)))
	folder := filepath.Join(t.TempDir(), "source")
	for _, name := range []string{"a/keep.txt", "a/b/keep.txt", "a/b/other", "c/other", "d/Keep.TXT", "top.txt"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(name), 0o644))
	}
	backup(t, p.restic, folder)
	for _, flags := range [][]string{{"--include", "*.txt"}, {"--include", "b"}, {"--iinclude", "keep.txt"}, {"--include", "/source/a/**/keep.txt", "-i", "top.txt"}} {
		trees := map[string]bool{}
		for _, by := range []program.Program{p.ours, p.restic} {
			by.Run(t, append([]string{"rewrite", "--host", hostOf(t, p)}, flags...)...)
			made := rewrittenIn(t, p)
			trees[made.Tree] = true
			p.restic.Run(t, "forget", made.ID)
		}
		if len(trees) != 1 {
			t.Errorf("%q: the programs leave different trees: %v", flags, trees)
		}
	}
	r := p.ours.Exits(t, 0, "rewrite", "--include", "nothing has this name")
	if !strings.Contains(r.Stderr, "nothing of what is to stay") {
		t.Errorf("nothing would be left: %s", r.Output())
	}
	snapshots(t, p.ours, 1)
	p.wantSound(t)
}

func hostOf(t *testing.T, p place) string { return snapshots(t, p.ours, 1)[0].Hostname }

// rewrittenIn returns the only snapshot that was made of another.
func rewrittenIn(t *testing.T, p place) row {
	t.Helper()
	all := slices.DeleteFunc(snapshots(t, p.ours, 2), func(r row) bool { return !slices.Contains(r.Tags, "rewrite") })
	if len(all) != 1 {
		t.Fatalf("rewritten: %+v", all)
	}
	return all[0]
}
