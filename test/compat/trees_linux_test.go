package compat

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/repository"
	"holdfast/test/program"
)

// Both programs give one folder the same tree, so that either goes on where
// the other was without storing a folder again. Where the format leaves a
// choice the environment makes it the same: one zone, one cutter, and, for
// restic before 0.19, no device IDs where there is no hard link. Extended
// attributes are listed as the kernel does by restic and sorted by holdfast,
// so only one of each is kept.
func TestTreeIDsAreEqual(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p := ourPlace(t, restic.With("RESTIC_FEATURES=device-id-for-hardlinks=true"), repository.RabinCutter)
		folder := oddFolder(t)
		keepOneAttribute(t, folder)
		backup(t, p.ours, folder)
		backup(t, p.restic, folder, "--force")
		backup(t, p.ours, folder, "--force")
		rows := snapshots(t, p.restic, 3)
		for _, r := range rows[1:] {
			if r.Tree != rows[0].Tree {
				t.Errorf("trees differ: %s of %s and %s of %s\n%s", rows[0].Tree, rows[0].ProgramVersion, r.Tree, r.ProgramVersion,
					p.restic.Run(t, "diff", "--metadata", rows[0].ID, r.ID))
			}
		}
	})
}

// keepOneAttribute removes extended attributes until no item has two.
func keepOneAttribute(t *testing.T, folder string) {
	t.Helper()
	for _, name := range []string{"user.empty", "user.binary", "user.long", "system.posix_acl_access", "trusted.secret", "security.capability"} {
		removeAttribute(t, filepath.Join(folder, "attributes", "file"), name)
	}
	removeAttribute(t, filepath.Join(folder, "attributes", "dir"), "user.dir")
}

func removeAttribute(t *testing.T, path, name string) {
	t.Helper()
	if err := unix.Lremovexattr(path, name); err != nil && !os.IsNotExist(err) && err != unix.ENODATA && err != unix.ENOTSUP {
		t.Fatal(err)
	}
}
