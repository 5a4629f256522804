package upkeep

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/local"
	"holdfast/test/tools"
)

// resticRepository is a repository in a folder, with restic to work on it.
type resticRepository struct {
	t       *testing.T
	program string
	dir     string
	*local.Store
}

// openBoth makes a repository, with restic or with holdfast.
func openBoth(t *testing.T, madeBy string) resticRepository {
	t.Helper()
	if testing.Short() {
		t.Skip("runs restic")
	}
	r := resticRepository{t: t, program: tools.Restic(t), dir: t.TempDir()}
	if madeBy == "restic" {
		r.restic("init")
	}
	var err error
	if r.Store, err = local.Open(r.dir); err != nil {
		t.Fatal(err)
	}
	if madeBy != "restic" {
		initRepository(t, r)
		return r
	}
	// restic's key costs half a second each time it opens.
	must(t, r, func(repo *repository.Repository) error {
		_, err := repo.ChangePassword(t.Context(), testPassword, cheap)
		return err
	})
	return r
}

// restic runs restic on the repository and returns what it prints.
func (r resticRepository) restic(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), r.program, append([]string{"--no-cache", "--repo", r.dir}, args...)...) //nolint:gosec // a test
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+string(testPassword), "RESTIC_FROM_PASSWORD="+string(testPassword))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("restic %v: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// wantRestored restores a snapshot with restic and compares it.
func (r resticRepository) wantRestored(ref string, want files) {
	r.t.Helper()
	target := r.t.TempDir()
	r.restic("restore", ref, "--target", target)
	for path, data := range want {
		got, err := os.ReadFile(filepath.Join(target, path))
		if err != nil || string(got) != string(data) {
			r.t.Errorf("%s of %s: %d bytes of %d, %v", path, ref, len(got), len(data), err)
		}
	}
}

// snapshots returns all snapshots, oldest first.
func (r resticRepository) snapshots() (list []*snapshot.Snapshot) {
	r.t.Helper()
	must(r.t, r, func(repo *repository.Repository) (err error) {
		list, err = repo.Snapshots(r.t.Context())
		return err
	})
	return list
}

// resticBackups makes three snapshots of a changing folder with restic.
func (r resticRepository) resticBackups() (trees []files) {
	r.t.Helper()
	source := r.t.TempDir()
	for day := range 3 {
		path := filepath.Join(source, fmt.Sprintf("folder%d", day%2))
		if err := os.MkdirAll(path, 0o700); err != nil {
			r.t.Fatal(err)
		}
		content := make(files)
		for n := range 4 {
			name := filepath.Join(path, fmt.Sprint(n, " <&> ü"))
			content[strings.TrimPrefix(name, "/")] = noise(uint64(10*day+n), 600_000*n)
		}
		for name, data := range content {
			if err := os.WriteFile("/"+name, data, 0o600); err != nil {
				r.t.Fatal(err)
			}
		}
		r.restic("backup", "--pack-size", "4", source)
		trees = append(trees, content)
	}
	return trees
}

func TestPruneARepositoryOfRestic(t *testing.T) {
	t.Parallel()
	r := openBoth(t, "restic")
	trees := r.resticBackups()
	list := r.snapshots()
	if err := forget(t.Context(), r, list[0], list[1]); err != nil {
		t.Fatal(err)
	}
	stats, err := prune(t.Context(), r, PruneOptions{})
	if err != nil || stats.Freed() < 3_000_000 || stats.UnusedAfter() != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	r.restic("check", "--read-data")
	r.wantRestored(list[2].ID.String(), trees[2])
	wantPruned(t, r, PruneOptions{})
	if out := r.restic("prune", "--max-unused", "0", "--dry-run"); !strings.Contains(out, "total prune:           0 blobs") {
		t.Errorf("restic would still prune:\n%s", out)
	}
}

func TestResticPrunesARepositoryOfOurs(t *testing.T) {
	t.Parallel()
	r := openBoth(t, "holdfast")
	gone := backUp(t, r, 0, files{"a": noise(1, 2_000_000), "dir/b": noise(2, 300)})
	kept := files{"dir/b": noise(2, 300), "c": noise(3, 2_000_000)}
	made := backUp(t, r, 1, kept)
	r.restic("forget", gone.ID.String(), "--prune", "--max-unused", "0")
	r.restic("check", "--read-data")
	wantSound(t, r, map[id.ID]files{made.Tree: kept})
	wantPruned(t, r, PruneOptions{MaxUnused: DefaultMaxUnused()})
	r.wantRestored(made.ID.String(), kept)
}

// Both programs take turns on one repository.
func TestUpkeepBesideRestic(t *testing.T) {
	t.Parallel()
	r := openBoth(t, "restic")
	trees := r.resticBackups()
	own := files{"own/file": noise(50, 1_000_000)}
	backUp(t, r, 0, own)
	r.restic("tag", "--add", "by-restic")
	must(t, r, func(repo *repository.Repository) error {
		_, err := Tag(t.Context(), repo, snapshot.TagEdit{Add: []string{"by-holdfast"}}, editing(repo, unlocked{}))
		return err
	})
	if out := r.restic("snapshots", "--tag", "by-restic,by-holdfast", "--compact"); !strings.Contains(out, "4 snapshots") {
		t.Errorf("restic lists\n%s", out)
	}
	if _, err := rewriteAll(t.Context(), r, RewriteOptions{Exclude: patterns(t, "folder1"), Forget: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := prune(t.Context(), r, PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	r.restic("check", "--read-data")
	list := r.snapshots() // ours is dated before the others
	r.wantRestored(list[0].ID.String(), own)
	r.wantRestored(list[3].ID.String(), trees[2])
	wantRewritten(t, r, list)
}

// wantRewritten checks that no snapshot has the folder that was taken out.
func wantRewritten(t *testing.T, r resticRepository, list []*snapshot.Snapshot) {
	t.Helper()
	for _, s := range list {
		if out := r.restic("ls", s.ID.String()); strings.Contains(out, "folder1") {
			t.Errorf("snapshot %s still holds\n%s", s.ID.Short(), out)
		}
	}
}

func TestCopyBothWays(t *testing.T) {
	t.Parallel()
	from, to := openBoth(t, "restic"), openBoth(t, "holdfast")
	trees := from.resticBackups()
	receipt, err := copyInto(t.Context(), from, to)
	if err != nil || len(receipt.Copied) != 3 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	to.restic("check", "--read-data")
	for n, s := range receipt.Copied {
		to.wantRestored(s.ID.String(), trees[n])
	}
	// restic knows our copies for what they are, and we know its.
	if out := to.restic("copy", "--from-repo", from.dir); strings.Contains(out, "saved") {
		t.Errorf("restic copies again:\n%s", out)
	}
	back := openBoth(t, "restic")
	back.restic("copy", "--from-repo", to.dir)
	if receipt, err := copyInto(t.Context(), to, back); err != nil || len(receipt.Copied) != 0 {
		t.Errorf("we copy again: %+v, %v", receipt, err)
	}
}

func TestResticOpensWithAChangedPassword(t *testing.T) {
	t.Parallel()
	r := openBoth(t, "restic")
	must(t, r, func(repo *repository.Repository) error {
		_, err := repo.ChangePassword(t.Context(), []byte("battery staple"), cheap)
		return err
	})
	_, err := repository.Open(t.Context(), r, repository.Options{Password: testPassword})
	if !errors.Is(err, repository.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), r.program, "--no-cache", "--repo", r.dir, "key", "list") //nolint:gosec // a test
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=battery staple")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "*") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

// A repository of the old version is only read.
func TestPruneRefusesTheOldVersion(t *testing.T) {
	t.Parallel()
	r := resticRepository{t: t, program: tools.Restic(t), dir: t.TempDir()}
	r.restic("init", "--repository-version", "1")
	source := t.TempDir()
	for n := range 2 {
		if err := os.WriteFile(filepath.Join(source, "file"), noise(uint64(n), 10_000), 0o600); err != nil {
			t.Fatal(err)
		}
		r.restic("backup", source)
	}
	r.restic("forget", "--keep-last", "1")
	var err error
	if r.Store, err = local.Open(r.dir); err != nil {
		t.Fatal(err)
	}
	before := len(objects(t, r))
	must(t, r, func(repo *repository.Repository) error {
		_, err := Prune(t.Context(), repo, PruneOptions{}, turns(repo, nil))
		if !errors.Is(err, repository.ErrVersion1) {
			t.Errorf("%v", err)
		}
		return nil
	})
	if after := len(objects(t, r)); after != before {
		t.Errorf("%d objects became %d", before, after)
	}
	r.restic("check", "--read-data")
}
