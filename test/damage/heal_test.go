package damage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/app"
	"holdfast/internal/repair"
	"holdfast/internal/upkeep"
	"holdfast/internal/verify"
	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
)

// Whatever is damaged, each kind of copy heals: nothing is lost, and restic
// finds nothing wrong.
func TestHeal(t *testing.T) {
	f := newFixture(t)
	copies := map[string]string{"mirror": f.copyOf(t), "copy": f.otherCopy(t)}
	restic := resticUnlessShort(t)
	for name, from := range copies {
		for _, d := range cases(t, f.dir) {
			if d.kind == "config" || d.kind == "locks" || d.kind == "keys" && name != "mirror" {
				continue // nothing opens, nothing is lost, or nobody else has it
			}
			t.Run("from "+name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				repo := f.copyOf(t)
				d.apply(t, repo)
				if d.kind == "keys" && !opens(t, repo) {
					return // it was the key of this password: that says enough
				}
				f.heal(t, repo, from)
				if report := checkAll(t, repo); !report.Sound() {
					t.Errorf("after the healing: %q", messages(report))
				}
				f.wantAll(t, repo)
				if !resticSound(t, restic, repo) {
					t.Error("restic complains")
				}
			})
		}
	}
}

// Whatever is missing, also together, a copy brings it back.
func TestHealOfWhatIsGone(t *testing.T) {
	f := newFixture(t)
	from := f.otherCopy(t)
	for _, gone := range [][]string{{"data"}, {"index"}, {"data", "index"}} {
		repo := f.copyOf(t)
		for _, folder := range gone {
			if err := os.RemoveAll(filepath.Join(repo, folder)); err != nil {
				t.Fatal(err)
			}
		}
		f.heal(t, repo, from)
		if report := checkAll(t, repo); !report.Sound() {
			t.Errorf("without %q: %q", gone, messages(report))
		}
		f.wantAll(t, repo)
	}
}

// otherCopy copies the snapshots to a repository of its own.
func (f *fixture) otherCopy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	s, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Init(t.Context(), s, repository.InitOptions{Password: []byte(password), KeyCost: cheap}, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	with(t, f.dir, func(ctx context.Context, from *repository.Repository) error {
		snapshots, err := from.Snapshots(ctx)
		if err := errors.Join(err, from.LoadIndex(ctx), r.LoadIndex(ctx)); err != nil {
			return err
		}
		to := &upkeep.Destination{Repository: r, Snapshots: snapshots}
		return errors.Join(upkeep.Copy(ctx, from, []*upkeep.Destination{to}, upkeep.CopyOptions{}), to.Err, err)
	})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// heal does what `repair --from` does.
func (f *fixture) heal(t *testing.T, repo, from string) {
	t.Helper()
	with(t, from, func(ctx context.Context, c *repository.Repository) error {
		if err := c.LoadIndex(ctx); err != nil {
			return err
		}
		with(t, repo, func(ctx context.Context, r *repository.Repository) error {
			found, err := verify.Check(ctx, r, verify.Options{ReadData: true})
			if err != nil || found.Sound() {
				return err
			}
			done, err := repair.Heal(ctx, r, app.HealOptions(found, []*repository.Repository{c}, func(what string, err error) {
				t.Errorf("%s was not healed: %v", what, err)
			}))
			if err == nil && done.Lost > 0 {
				t.Errorf("%+v", done)
			}
			return err
		})
		return nil
	})
}

// wantAll wants all snapshots there ever were, with all of their files.
func (f *fixture) wantAll(t *testing.T, repo string) {
	t.Helper()
	with(t, repo, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err := errors.Join(err, r.LoadIndex(ctx)); err != nil {
			return err
		}
		if len(snapshots) != len(f.contents) {
			t.Errorf("%d snapshots, want %d", len(snapshots), len(f.contents))
		}
		for _, s := range snapshots {
			got := readAll(ctx, r, s)
			if err := got.isOf(f.contents[s.Time]); err != nil || len(got.unreadable) > 0 {
				t.Errorf("snapshot of %s: %v, %v", s.Time, err, got.unreadable)
			}
		}
		return nil
	})
}

// A healing that is cut off anywhere loses nothing, and the next one ends it.
func TestCrashInHeal(t *testing.T) {
	f := newFixture(t)
	for name, from := range map[string]string{"mirror": f.copyOf(t), "copy": f.otherCopy(t)} {
		repo := f.copyOf(t)
		for _, d := range cases(t, f.dir) {
			if strings.HasSuffix(d.name, "A: middle") && (d.kind == "data" || d.kind == "trees") {
				d.apply(t, repo)
			}
		}
		base := inMemory(t, repo)
		copies := inMemory(t, from)
		heal := func(ctx context.Context, s storage.Store) error {
			return on(ctx, copies, func(c *repository.Repository) error {
				if err := c.LoadIndex(ctx); err != nil {
					return err
				}
				return on(ctx, s, func(r *repository.Repository) error {
					found, err := verify.Check(ctx, r, verify.Options{ReadData: true})
					if err != nil || found.Sound() {
						return err
					}
					_, err = repair.Heal(ctx, r, app.HealOptions(found, []*repository.Repository{c}, nil))
					return err
				})
			})
		}
		t.Run(name, func(t *testing.T) {
			fault.Replay{
				Fresh: func() storage.Store { return base.Clone() },
				Job:   heal,
				Check: func(t *testing.T, left storage.Store) {
					if err := heal(t.Context(), left); err != nil {
						t.Fatalf("heal again: %v", err)
					}
					err := on(t.Context(), left, func(r *repository.Repository) error {
						report, err := verify.Check(t.Context(), r, verify.Options{ReadData: true})
						if err == nil && (!report.Sound() || report.Snapshots != len(f.contents)) {
							t.Errorf("%d snapshots; %q", report.Snapshots, messages(report))
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				},
			}.Run(t)
		})
	}
}

// inMemory returns what a folder holds as a store that can be cloned.
func inMemory(t *testing.T, dir string) *mem.Store {
	t.Helper()
	from, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := mem.New()
	err = from.List(t.Context(), "", func(info storage.Info) error {
		data, err := storage.ReadAll(t.Context(), from, info.Key)
		if err != nil {
			return err
		}
		return to.Put(t.Context(), info.Key, storage.Bytes(data), storage.PutOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// on does something with the repository in a store.
func on(ctx context.Context, s storage.Store, do func(r *repository.Repository) error) error {
	r, err := repository.Open(ctx, s, repository.Options{Password: []byte(password)})
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}
