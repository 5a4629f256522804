package damage

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/repair"
	"holdfast/internal/verify"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/test/tools"
)

// A sound repository gives nothing to complain about, and not even a hint.
func TestSound(t *testing.T) {
	f := newFixture(t)
	report := checkAll(t, f.dir)
	if len(report.Problems) > 0 {
		t.Fatalf("a sound repository has problems: %v", messages(report))
	}
	if report.Snapshots != 2 || report.PacksRead != 4 {
		t.Errorf("%d snapshots, %d packs read, want 2 and 4", report.Snapshots, report.PacksRead)
	}
}

// Whatever is damaged is found by reading everything, is named with what it
// hits, and is not read as if it were good; restic finds no more than that;
// and what is left after the repair is sound for restic, with every file
// that was whole.
func TestDamage(t *testing.T) {
	f := newFixture(t)
	leaveLock(t, f.dir)
	restic := resticUnlessShort(t)
	for _, d := range cases(t, f.dir) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			repo := f.copyOf(t)
			d.apply(t, repo)
			if d.kind == "config" {
				wantNotOpened(t, repo)
				return
			}
			if d.kind == "keys" && !opens(t, repo) {
				return // it was the key of this password: that says enough
			}
			report := checkAll(t, repo)
			before := f.read(t, repo)
			wantNamed(t, d, report)
			wantAffects(t, report, before)
			if d.kind == "keys" || d.kind == "locks" {
				return // restic looks at neither in this way
			}
			if report.Sound() && !resticSound(t, restic, repo) {
				t.Error("restic complains, holdfast does not")
			}
			repairAll(t, repo, report)
			wantRepaired(t, f, restic, repo, before)
		})
	}
}

// Without reading all data, a check finds what can be seen from outside: all
// damage but that which leaves a pack of data as long as it was.
func TestDamageSeenFromOutside(t *testing.T) {
	f := newFixture(t)
	for _, d := range cases(t, f.dir) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			repo := f.copyOf(t)
			was := fileSize(t, repo, d)
			d.apply(t, repo)
			if d.kind == "config" || !opens(t, repo) || d.kind == "data" && fileSize(t, repo, d) == was {
				return
			}
			with(t, repo, func(ctx context.Context, r *repository.Repository) error {
				report, err := verify.Check(ctx, r, verify.Options{})
				if err == nil && report.Sound() {
					t.Error("the damage was not found")
				}
				return err
			})
		})
	}
}

// fileSize returns the size of the damaged file, -1 if it is gone.
func fileSize(t *testing.T, repo string, d damaged) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(repo, d.file))
	if err != nil {
		return -1
	}
	return info.Size()
}

// leaveLock leaves a lock behind, for there is none otherwise.
func leaveLock(t *testing.T, repo string) {
	t.Helper()
	with(t, repo, func(ctx context.Context, r *repository.Repository) error {
		_, _, err := r.Lock(ctx, repository.Shared, repository.LockOptions{})
		return err
	})
}

func opens(t *testing.T, repo string) bool {
	t.Helper()
	r, err := open(t.Context(), repo)
	if err != nil {
		return false
	}
	return r.Close() == nil
}

func wantNotOpened(t *testing.T, repo string) {
	t.Helper()
	_, err := open(t.Context(), repo)
	if !repository.IsCorrupt(err) && !errors.Is(err, repository.ErrNoRepository) {
		t.Errorf("opened with a damaged config: %v", err)
	}
}

// checkAll is a check that reads all data.
func checkAll(t *testing.T, repo string) *verify.Report {
	t.Helper()
	var report *verify.Report
	with(t, repo, func(ctx context.Context, r *repository.Repository) (err error) {
		report, err = verify.Check(ctx, r, verify.Options{ReadData: true})
		return err
	})
	return report
}

func messages(r *verify.Report) []string {
	var list []string
	for n := range r.Problems {
		list = append(list, r.Problems[n].String())
	}
	return list
}

// read reads the snapshots that can be read, and makes sure that nothing is
// taken for good that is not.
func (f *fixture) read(t *testing.T, repo string) map[id.ID]reading {
	t.Helper()
	readings := make(map[id.ID]reading)
	with(t, repo, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err != nil && !repository.IsCorrupt(err) {
			return err
		}
		if err := r.LoadIndex(ctx); err != nil && !repository.IsCorrupt(err) {
			return err
		}
		for _, s := range snapshots {
			got := readAll(ctx, r, s)
			if err := got.isOf(f.contents[s.Time]); err != nil {
				t.Errorf("snapshot %s: %v", s.ID.Short(), err)
			}
			readings[s.ID] = got
		}
		return nil
	})
	return readings
}

// wantNamed wants the damaged file to be named.
func wantNamed(t *testing.T, d damaged, report *verify.Report) {
	t.Helper()
	if report.Sound() {
		t.Fatal("the damage was not found")
	}
	name := d.file[strings.LastIndexByte(d.file, '/')+1:]
	named := slices.ContainsFunc(report.Problems, func(p verify.Problem) bool { return p.ID.String() == name })
	// Of an index file that is gone nobody knows the name.
	if !named && !(d.kind == "index" && strings.HasSuffix(d.name, "removed")) {
		t.Errorf("%s is not named: %q", name, messages(report))
	}
}

// wantAffects wants exactly what cannot be read to be told.
func wantAffects(t *testing.T, report *verify.Report, readings map[id.ID]reading) {
	t.Helper()
	told := make(map[string]bool)
	for _, p := range report.Problems {
		for _, path := range p.Affects.Paths {
			told[path.Path] = true
			if readings[path.Snapshot].unreadable[path.Path] == nil {
				t.Errorf("%s:%s is said to be hit, and can be read (%s)", path.Snapshot.Short(), path.Path, &p)
			}
		}
	}
	for i, got := range readings {
		if hit := slices.Contains(report.DamagedSnapshots, i); hit != (len(got.unreadable) > 0) {
			t.Errorf("snapshot %s: told as hit: %v, unreadable: %v", i.Short(), hit, slices.Collect(maps.Keys(got.unreadable)))
		}
		for path, err := range got.unreadable {
			if !told[path] {
				t.Errorf("%s:%s cannot be read (%v), and nobody said so", i.Short(), path, err)
			}
			if !repository.IsCorrupt(err) && !errors.Is(err, repository.ErrNotIndexed) && !isMissing(err) {
				t.Errorf("%s:%s: %v does not say what it is", i.Short(), path, err)
			}
		}
	}
}

// repairAll does what the report suggests.
func repairAll(t *testing.T, repo string, report *verify.Report) {
	t.Helper()
	with(t, repo, func(ctx context.Context, r *repository.Repository) error {
		if _, err := r.RemoveStaleLocks(ctx, true); err != nil {
			return err
		}
		if _, err := repair.Index(ctx, r, repair.IndexOptions{}); err != nil {
			return err
		}
		if len(report.BrokenPacks) > 0 {
			if _, err := repair.Packs(ctx, r, repair.PacksOptions{Packs: report.BrokenPacks, BackupDir: t.TempDir()}); err != nil {
				return err
			}
		}
		files, err := repair.DamagedSnapshotFiles(ctx, r)
		if err != nil {
			return err
		}
		if err := r.RemoveFiles(ctx, repository.SnapshotFile, files, nil); err != nil {
			return err
		}
		snapshots, err := r.Snapshots(ctx)
		if err != nil {
			return err
		}
		_, err = repair.Snapshots(ctx, r, repair.SnapshotsOptions{Snapshots: snapshots, Forget: true})
		return err
	})
}

// wantRepaired wants a sound repository with all files that were whole.
func wantRepaired(t *testing.T, f *fixture, restic, repo string, before map[id.ID]reading) {
	t.Helper()
	if report := checkAll(t, repo); !report.Sound() {
		t.Errorf("after the repair: %q", messages(report))
	}
	if out, err := runRestic(t, restic, repo, "check", "--read-data"); err != nil {
		t.Errorf("restic after the repair: %v\n%s", err, out)
	}
	with(t, repo, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err != nil {
			return err
		}
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		for i, was := range before {
			if was.unreadable["/"] != nil {
				continue // nothing was left to be saved
			}
			wantKept(ctx, t, r, i, was, snapshots)
		}
		return nil
	})
}

// wantKept wants a snapshot, or what it was repaired to, to hold every file
// that could be read before.
func wantKept(ctx context.Context, t *testing.T, r *repository.Repository, i id.ID, was reading, snapshots []*snapshot.Snapshot) {
	t.Helper()
	n := slices.IndexFunc(snapshots, func(s *snapshot.Snapshot) bool {
		return s.ID == i || s.Original != nil && *s.Original == i
	})
	if n < 0 {
		t.Errorf("snapshot %s is gone", i.Short())
		return
	}
	now := readAll(ctx, r, snapshots[n])
	if len(now.unreadable) > 0 {
		t.Errorf("snapshot %s: unreadable after the repair: %v", i.Short(), now.unreadable)
	}
	for path, content := range was.content {
		if got, ok := now.content[path]; !ok || string(got) != string(content) {
			t.Errorf("snapshot %s: %s could be read before the repair, and now is other", i.Short(), path)
		}
	}
}

// resticUnlessShort returns the path of restic, "" to do without.
func resticUnlessShort(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		return ""
	}
	return tools.Restic(t)
}

func resticSound(t *testing.T, restic, repo string) bool {
	t.Helper()
	_, err := runRestic(t, restic, repo, "check", "--read-data", "--no-lock")
	return err == nil
}

func runRestic(t *testing.T, restic, repo string, args ...string) (string, error) {
	t.Helper()
	if restic == "" {
		return "", nil
	}
	cmd := exec.CommandContext(t.Context(), restic, append([]string{"-r", repo, "--no-cache"}, args...)...)
	cmd.Env = append(cmd.Environ(), "RESTIC_PASSWORD="+password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
