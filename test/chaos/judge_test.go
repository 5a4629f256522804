package chaos

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"holdfast/storage"
	"holdfast/test/program"
	"holdfast/test/tools"
)

// judge has restic check what is left of repositories: all of them in a soak,
// else about so many of a test's outcomes. Which ones is drawn anew in each
// run and printed with a failure.
type judge struct {
	restic program.Program
	share  float64
	random *rand.Rand
}

// newJudge takes a sample of about so many of the expected outcomes.
func newJudge(t *testing.T, sample, expected int) *judge {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("restic judges a sample with seed %d", seed)
	return &judge{
		restic: program.New(t, tools.Restic(t)), share: float64(sample) / float64(expected),
		random: rand.New(rand.NewPCG(seed, 0)),
	}
}

// wantSound has restic check the repository and read its data, if the
// outcome is in the sample.
func (j *judge) wantSound(t *testing.T, s storage.Store) {
	t.Helper()
	if !soak() && j.random.Float64() >= j.share {
		return
	}
	dir := filepath.Join(t.TempDir(), "left")
	export(t, s, dir)
	// Locks of the dead are not restic's business here.
	r := j.restic.On(dir, password).Try("check", "--read-data", "--no-lock", "--no-cache")
	if r.Code != 0 {
		t.Errorf("restic check finds what is left unsound:\n%s", r.Output())
	}
}

// export writes all objects of a store to a folder.
func export(t *testing.T, s storage.Store, dir string) {
	t.Helper()
	for _, sub := range []string{"data", "index", "keys", "locks", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := s.List(t.Context(), "", func(info storage.Info) error {
		data, err := storage.ReadAll(t.Context(), s, info.Key)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(info.Key))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
