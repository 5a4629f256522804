package copies

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/program"
	"holdfast/test/tools"
)

// Copies and mirrors that are killed again and again end at last, and restic
// finds nothing wrong. A limit on uploads makes them last.
func TestKilledCopiesGoOn(t *testing.T) {
	for name, args := range map[string][]string{
		"copy":   {"copy", "--to"},
		"mirror": {"copy", "--mirror", "--init", "--to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, nil, nil)
			to := filepath.Join(t.TempDir(), "to")
			if name == "copy" {
				f.holdfast.On(to, password).Run(t, "init", "--like", f.main)
			}
			args := append(append([]string{"-r", "main"}, args...), to)
			kills := 0
			for range 6 {
				cmd := f.holdfast.Command(append(args, "--limit-upload", "1500")...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				timer := time.AfterFunc(300*time.Millisecond+rand.N(2*time.Second), func() { cmd.Process.Kill() })
				if err := cmd.Wait(); err != nil && strings.Contains(err.Error(), "killed") {
					kills++
				}
				timer.Stop()
			}
			if kills == 0 {
				t.Error("no kill struck")
			}
			f.holdfast.Run(t, args...)
			f.holdfast = f.holdfast.On(to, password)
			f.holdfast.Run(t, "unlock") // the locks of the dead
			program.New(t, tools.Restic(t)).On(to, password).Run(t, "check", "--read-data")
			f.wantRestored(t)
		})
	}
}
