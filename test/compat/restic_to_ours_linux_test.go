package compat

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/program"
)

// What restic writes, in all its ways of compressing, holdfast reads, builds
// upon, edits and prunes; what is left, restic reads again.
func TestWeWorkOnRestics(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		for _, compression := range []string{"auto", "off", "max"} {
			t.Run(compression, func(t *testing.T) {
				p := resticPlace(t, restic)
				folder := oddFolder(t)
				backup(t, p.restic, folder, "--compression", compression)

				p.ours.Run(t, "check", "--read-data")
				wantRestored(t, p.ours, "latest", folder)
				buildUpon(t, p, folder)
				weEdit(t, p, folder)
			})
		}
	})
}

// buildUpon backs the same folder up with holdfast. Nothing of the content is
// stored again; folders may be, for what restic records differently.
func buildUpon(t *testing.T, p place, folder string) {
	t.Helper()
	first := snapshots(t, p.ours, 1)[0]
	s := backup(t, p.ours, folder, "--tag", "ours")
	same(t, "data added on top of restic's", s.DataBlobs, 0)
	same(t, "files taken for new", s.FilesNew, 0)
	rows := snapshots(t, p.restic, 2)
	same(t, "parent", rows[1].Parent, first.ID)
	p.wantSound(t)
}

// weEdit tags, forgets and prunes; restic must find its way on.
func weEdit(t *testing.T, p place, folder string) {
	t.Helper()
	before := snapshots(t, p.ours, 2)
	p.ours.Run(t, "tag", "--add", "kept", before[1].ID)
	p.ours.Run(t, "forget", before[0].ID)
	p.ours.Run(t, "prune", "--max-unused", "0")
	p.wantSound(t)
	rows := snapshots(t, p.restic, 1)
	same(t, "original of the tagged one", rows[0].Original, before[1].ID)
	wantRestored(t, p.restic, "latest", folder, resticLosses...)
	again := backup(t, p.restic, folder)
	same(t, "data added by a backup on top", again.DataBlobs, 0)
}

// A file that is partly edited is cut as restic cut it, so that only the
// edited parts are stored again, whichever program comes second.
func TestCutPointsAreKept(t *testing.T) {
	const (
		fileBytes = 24 << 20
		// moreBlobs is how many of the blobs, 1 MiB on average, may be new:
		// the edited one, and one more where the edit moved a cut point.
		moreBlobs = 3
	)
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p := resticPlace(t, restic)
		p.both(t, func(t *testing.T, second program.Program) {
			folder := t.TempDir()
			path := filepath.Join(folder, "large")
			content := make([]byte, fileBytes)
			rand.NewChaCha8([32]byte{byte(len(t.Name()))}).Read(content)
			must(t, os.WriteFile(path, content, 0o644))
			backup(t, p.restic, folder)

			copy(content[fileBytes/2:], "edited")
			must(t, os.WriteFile(path, content, 0o644))
			s := backup(t, second, folder)
			if s.DataBlobs < 1 || s.DataBlobs > moreBlobs {
				t.Errorf("%d blobs were added for an edit of one place", s.DataBlobs)
			}
			wantRestored(t, p.ours, s.SnapshotID, folder)
		})
	})
}
