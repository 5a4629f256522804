package compat

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/repository"
	"holdfast/storage/local"
	"holdfast/test/oddities"
	"holdfast/test/program"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const password = "correct horse"

// cheap is what deriving a key costs in these tests: nothing, where the usual
// half a second for each of some hundred runs would be minutes.
var cheap = repository.KeyCost{N: 2, R: 1, P: 1}

// place is a repository on disk and the programs that share it.
type place struct {
	dir          string
	ours, restic program.Program
}

// eachRestic runs a test with every version of restic that must be understood.
func eachRestic(t *testing.T, test func(t *testing.T, restic program.Program)) {
	versions := []struct {
		name string
		path func(testing.TB) string
	}{{"restic 0.18", tools.Restic}, {"restic of sid", tools.ResticSid}}
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			test(t, program.New(t, v.path(t)))
		})
	}
}

// ourPlace makes a repository as holdfast does.
func ourPlace(t *testing.T, restic program.Program, cutter string) place {
	t.Helper()
	p := newPlace(t, restic)
	store, err := local.Create(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	in := repository.InitOptions{Password: []byte(password), Cutter: cutter, KeyCost: cheap}
	r, err := repository.Init(t.Context(), store, in, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

// resticPlace has restic make a repository, and makes its key cheap.
func resticPlace(t *testing.T, restic program.Program, flags ...string) place {
	t.Helper()
	p := newPlace(t, restic)
	p.restic.Run(t, append([]string{"init"}, flags...)...)
	r := p.open(t)
	if _, err := r.ChangePassword(t.Context(), []byte(password), cheap); err != nil {
		t.Fatal(err)
	}
	return p
}

func newPlace(t *testing.T, restic program.Program) place {
	dir := filepath.Join(t.TempDir(), "repository")
	return place{
		dir:    dir,
		ours:   program.Holdfast(t).On(dir, password),
		restic: restic.On(dir, password),
	}
}

// open opens the repository in this process.
func (p place) open(t *testing.T) *repository.Repository {
	t.Helper()
	store, err := local.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(t.Context(), store, repository.Options{Password: []byte(password)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// both runs a test for each of the two programs.
func (p place) both(t *testing.T, test func(t *testing.T, by program.Program)) {
	t.Helper()
	t.Run("holdfast", func(t *testing.T) { test(t, p.ours) })
	t.Run("restic", func(t *testing.T) { test(t, p.restic) })
}

// row is a snapshot as both programs list it.
type row struct {
	ID, Tree, Parent, Original string
	Tags, Paths                []string
	Hostname                   string
	ProgramVersion             string `json:"program_version"`
}

// short is what people use to name a snapshot.
func (r row) short() string { return r.ID[:8] }

// snapshots lists the snapshots, which must be so many.
func snapshots(t *testing.T, by program.Program, want int) []row {
	t.Helper()
	all := program.JSON[row](t, by, "snapshots")
	if len(all) != want {
		t.Fatalf("%d snapshots are listed, want %d: %+v", len(all), want, all)
	}
	return all
}

// summary is the last message of a backup, of both programs.
type summary struct {
	MessageType     string `json:"message_type"`
	SnapshotID      string `json:"snapshot_id"`
	FilesNew        uint64 `json:"files_new"`
	FilesUnmodified uint64 `json:"files_unmodified"`
	DataBlobs       int    `json:"data_blobs"`
	TreeBlobs       int    `json:"tree_blobs"`
	DataAdded       uint64 `json:"data_added"`
}

// backup backs the folder up as the only thing in a snapshot, and returns the
// summary.
func backup(t *testing.T, by program.Program, folder string, flags ...string) summary {
	t.Helper()
	messages := program.JSON[summary](t, by.In(filepath.Dir(folder)), append([]string{"backup", filepath.Base(folder)}, flags...)...)
	last := messages[len(messages)-1]
	if last.MessageType != "summary" {
		t.Fatalf("the last message of backup is %+v", last)
	}
	return last
}

// oddFolder makes the folder that every backup here is of.
func oddFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "odd")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	oddities.Make(t, dir, oddities.Deep) // restic works with paths
	return dir
}

// wantRestored restores a snapshot and compares it with the folder.
func wantRestored(t *testing.T, by program.Program, snapshot, folder string, without ...string) {
	t.Helper()
	target := filepath.Join(t.TempDir(), "restored")
	by.Run(t, "restore", snapshot, "--target", target)
	differences, err := oddities.Differences(folder, filepath.Join(target, filepath.Base(folder)))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		allowed := slices.ContainsFunc(without, func(path string) bool { return strings.HasPrefix(d, `"`+path+`": `) })
		if !allowed {
			t.Error(d)
		}
	}
}

// resticLosses are what restic's restore does not bring back, of its own
// snapshots either: hard links of anything but files, and times after 2262.
var resticLosses = []string{"/hardlinks/link", "/hardlinks/null", "/times/after-2262"}

// wantSound has restic read everything.
func (p place) wantSound(t *testing.T) {
	t.Helper()
	p.restic.Run(t, "check", "--read-data")
}

// same fails the test unless two values are equal.
func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
