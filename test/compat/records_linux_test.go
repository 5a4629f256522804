package compat

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/program"
)

// What is holdfast's own in a repository, restic neither minds nor removes;
// and a mirror is a repository to restic like the one it was made of.
func TestResticLeavesRecordsAlone(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		p := ourPlace(t, restic, "")
		source := t.TempDir()
		for _, name := range []string{"a", "b"} {
			if err := os.WriteFile(filepath.Join(source, name), []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
			p.ours.Run(t, "backup", source)
		}
		p.ours.Run(t, "check", "--read-data")
		records := func() []string {
			found, err := filepath.Glob(filepath.Join(p.dir, "holdfast", "evidence", "*-check-*"))
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if n := len(records()); n != 1 {
			t.Fatalf("a check left %d records", n)
		}
		p.restic.Run(t, "check", "--read-data")
		p.restic.Run(t, "forget", "--keep-last", "1", "--prune")
		p.restic.Run(t, "check")
		if n := len(records()); n != 1 {
			t.Errorf("restic left %d of 1 records", n)
		}
		mirror := filepath.Join(t.TempDir(), "mirror")
		p.ours.Run(t, "copy", "--mirror", "--init", "--to", mirror)
		restic.On(mirror, password).Run(t, "check", "--read-data")
	})
}
