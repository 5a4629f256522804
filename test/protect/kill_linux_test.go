package protect

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/program"
	"holdfast/test/tools"
)

// What a run that was killed leaves is what the steps before the kill have
// made. Each such state is built by taking away from a finished one what
// later steps made.
func TestRunGoesOnAfterAKillBetweenSteps(t *testing.T) {
	steps := []struct {
		name string
		undo func(t *testing.T, m machine)
	}{
		{"all done", func(*testing.T, machine) {}},
		{"in the proof", func(t *testing.T, m machine) {
			left := m.data("scratch/restore-test-123/home")
			must(t, os.MkdirAll(left, 0o700))
			must(t, os.WriteFile(filepath.Join(left, "file"), nil, 0o400))
			must(t, os.Chmod(left, 0o500))
		}},
		{"before the evidence", func(t *testing.T, m machine) { must(t, os.RemoveAll(m.data("repository/holdfast"))) }},
		{"before the snapshot", func(t *testing.T, m machine) { empty(t, m.data("repository/snapshots")) }},
		{"before the index", func(t *testing.T, m machine) { empty(t, m.data("repository/index")) }},
		{"before the packs", func(t *testing.T, m machine) { empty(t, m.data("repository/data")) }},
		{"before the kit", func(t *testing.T, m machine) { must(t, os.Remove(m.config("local.recovery-kit.txt"))) }},
		{"before the repository's config", func(t *testing.T, m machine) { must(t, os.Remove(m.data("repository/config"))) }},
		{"before the repository's key", func(t *testing.T, m machine) { empty(t, m.data("repository/keys")) }},
		{"before the repository", func(t *testing.T, m machine) { must(t, os.RemoveAll(m.data("repository"))) }},
		{"before the password", func(t *testing.T, m machine) { must(t, os.Remove(m.config("local.password"))) }},
		{"before holdfast.yaml", func(t *testing.T, m machine) { must(t, os.Remove(m.config("holdfast.yaml"))) }},
	}
	restic := tools.Restic(t)
	for k := range steps {
		t.Run(steps[k].name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.fill(t)
			m.protect(t, m.folder)
			for _, step := range steps[:k+1] {
				step.undo(t, m)
			}
			m.goesOn(t, restic)
		})
	}
}

// goesOn runs protect again after a kill. No password may change that was
// there, and restic must find one key and a sound repository.
func (m machine) goesOn(t *testing.T, restic string) {
	t.Helper()
	password, existed := os.ReadFile(m.config("local.password"))
	m.protect(t, m.folder)
	now := read(t, m.config("local.password"))
	if existed == nil && now != string(password) {
		t.Error("the password changed")
	}
	if left, _ := os.ReadDir(m.data("scratch")); len(left) > 0 {
		t.Errorf("left in the scratch folder: %v", left)
	}
	m.holdfast.Run(t, "unlock") // the locks of the dead
	other := program.New(t, restic).With("RESTIC_REPOSITORY="+m.data("repository"), "RESTIC_PASSWORD_FILE="+m.config("local.password"))
	if keys := strings.Fields(other.Run(t, "list", "keys", "--quiet")); len(keys) != 1 {
		t.Errorf("keys %v", keys)
	}
	other.Run(t, "check", "--read-data")
}

func empty(t *testing.T, folder string) {
	t.Helper()
	must(t, os.RemoveAll(folder))
	must(t, os.MkdirAll(folder, 0o700))
}

// Kills at any time, as they come.
func TestRunGoesOnAfterKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes many runs")
	}
	restic := tools.Restic(t)
	clean := newMachine(t)
	clean.fill(t)
	start := time.Now()
	clean.protect(t, clean.folder)
	took := time.Since(start)
	seed := rand.Uint64()
	t.Logf("kills are drawn with seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // to be repeated
	for range 5 {
		m := newMachine(t)
		m.fill(t)
		for range 3 {
			m.killAfter(t, time.Duration(random.Int64N(int64(took))))
		}
		m.goesOn(t, restic)
	}
}

// killAfter runs protect and kills it, unless it ends before that.
func (m machine) killAfter(t *testing.T, d time.Duration) {
	t.Helper()
	cmd := m.holdfast.Command("protect", m.folder)
	must(t, cmd.Start())
	timer := time.AfterFunc(d, func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	defer timer.Stop()
	cmd.Wait() //nolint:errcheck // however it ended
}
