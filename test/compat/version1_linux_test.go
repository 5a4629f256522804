package compat

import (
	"strings"
	"testing"

	"holdfast/test/program"
)

// Repositories of format version 1 are read like any other; writing to them
// is refused with the way out.
func TestVersion1IsRead(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p := resticPlace(t, restic, "--repository-version", "1")
		folder := oddFolder(t)
		backup(t, p.restic, folder)
		snapshots(t, p.ours, 1)
		wantRestored(t, p.ours, "latest", folder)
		p.ours.Run(t, "check", "--read-data")

		r := p.ours.Exits(t, 1, "backup", folder)
		if !strings.Contains(r.Stderr, "format version 1 are only read") || !strings.Contains(r.Stderr, "restic migrate upgrade_repo_v2") {
			t.Errorf("the refusal does not tell what to do: %s", r.Stderr)
		}
		p.restic.Run(t, "migrate", "upgrade_repo_v2")
		same(t, "data added after the upgrade", backup(t, p.ours, folder).DataBlobs, 0)
		p.wantSound(t)
	})
}
