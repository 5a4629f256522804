package compat

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/repository"
	"holdfast/test/program"
)

// What holdfast writes, restic reads, edits and prunes; what is left,
// holdfast reads again.
func TestResticWorksOnOurs(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		for _, cutter := range []string{repository.GearCutter, repository.RabinCutter} {
			t.Run(cutter, func(t *testing.T) {
				p := ourPlace(t, restic, cutter)
				folder := oddFolder(t)
				backup(t, p.ours, folder, "--tag", "first")
				must(t, os.WriteFile(filepath.Join(folder, "new"), []byte("new"), 0o644))
				backup(t, p.ours, folder, "--tag", "second")

				p.wantSound(t)
				resticReads(t, p, folder)
				resticCopies(t, p, folder)
				resticEdits(t, p, folder)
			})
		}
	})
}

// resticReads lists, compares and restores.
func resticReads(t *testing.T, p place, folder string) {
	t.Helper()
	rows := snapshots(t, p.restic, 2)
	same(t, "parent of the second", rows[1].Parent, rows[0].ID)
	if !slices.Contains(rows[0].Tags, "first") || !slices.Contains(rows[0].Tags, "holdfast:type=full") {
		t.Errorf("tags of the first: %q", rows[0].Tags)
	}
	listed := p.restic.Run(t, "ls", rows[1].short())
	for _, want := range []string{"/odd/hardlinks/below/three", "/odd/sizes/9437185", "/odd/new"} {
		if !strings.Contains(listed, "\n"+want+"\n") {
			t.Errorf("restic ls lacks %s:\n%s", want, listed)
		}
	}
	diff := p.restic.Run(t, "diff", rows[0].ID, rows[1].ID)
	if !strings.Contains(diff, "+    /odd/new\n") || !strings.Contains(diff, "Files:           1 new,     0 removed,     0 changed\n") {
		t.Errorf("restic diff: %s", diff)
	}
	wantRestored(t, p.restic, rows[1].ID, folder, resticLosses...)
}

// resticCopies copies the snapshots to a repository of its own.
func resticCopies(t *testing.T, p place, folder string) {
	t.Helper()
	to := resticPlace(t, p.restic)
	to.restic.With("RESTIC_FROM_REPOSITORY="+p.dir, "RESTIC_FROM_PASSWORD="+password).Run(t, "copy")
	to.wantSound(t)
	originals, copies := snapshots(t, p.restic, 2), snapshots(t, to.ours, 2)
	for n, r := range copies {
		same(t, "original of the copy", r.Original, originals[n].ID)
		same(t, "tree of the copy", r.Tree, originals[n].Tree)
	}
	wantRestored(t, to.ours, "latest", folder)
}

// resticEdits tags, forgets and prunes; holdfast must find its way on.
func resticEdits(t *testing.T, p place, folder string) {
	t.Helper()
	before := snapshots(t, p.restic, 2)
	p.restic.Run(t, "tag", "--add", "kept", "latest")
	p.restic.Run(t, "forget", before[0].ID)
	p.restic.Run(t, "prune", "--max-unused", "0")
	p.wantSound(t)

	rows := snapshots(t, p.ours, 1)
	same(t, "original of the tagged one", rows[0].Original, before[1].ID)
	same(t, "program that wrote it", strings.HasPrefix(rows[0].ProgramVersion, "holdfast "), true)
	if !slices.Contains(rows[0].Tags, "kept") || !slices.Contains(rows[0].Tags, "second") {
		t.Errorf("tags after restic's edit: %q", rows[0].Tags)
	}
	wantRestored(t, p.ours, "latest", folder)
	again := backup(t, p.ours, folder)
	same(t, "data added by a backup on top", again.DataBlobs, 0)
	p.ours.Run(t, "check", "--read-data")
	p.wantSound(t)
}
