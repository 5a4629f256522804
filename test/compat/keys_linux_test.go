package compat

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/program"
)

// A key that one program adds opens the repository for the other, and what
// one removes is gone for both.
func TestKeysOpenForBoth(t *testing.T) {
	eachRestic(t, func(t *testing.T, restic program.Program) {
		for _, made := range []string{"by holdfast", "by restic"} {
			t.Run(made, func(t *testing.T) {
				p := newPlace(t, restic)
				maker, other := p.ours, p.restic
				if made == "by restic" {
					maker, other = p.restic, p.ours
				}
				maker.Run(t, "init")
				second := filepath.Join(t.TempDir(), "second")
				must(t, os.WriteFile(second, []byte("second\n"), 0o600))
				other.Run(t, "key", "add", "--new-password-file", second)
				snapshots(t, maker.On(p.dir, "second"), 0)
				maker.On(p.dir, "second").Run(t, "key", "passwd", "--new-password-file", second)
				snapshots(t, other.On(p.dir, "second"), 0)
				maker.On(p.dir, "neither").Exits(t, 12, "snapshots")
				other.On(p.dir, "neither").Exits(t, 12, "snapshots")
			})
		}
	})
}
