package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
)

// lived makes a repository with a cache beside it that has seen three
// backups of a folder that changed in between, and returns what they hold.
func lived(t *testing.T) (base *mem.Store, cache string, all []id.ID, known record) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "folder")
	base, cache, known = newRepository(t), t.TempDir(), record{}
	for n := range 3 {
		writeFile(t, folder, "same", noise(1, 30_000))
		writeFile(t, folder, fmt.Sprintf("of-%d", n), noise(uint64(10+n), 30_000))
		synctest.Test(t, func(t *testing.T) {
			made, err := process{store: base, cache: cache, host: "host"}.backup(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			all, known = append(all, made), known.with(made, contentOf(t, folder))
		})
		if err := os.Remove(filepath.Join(folder, fmt.Sprintf("of-%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	return base, cache, all, known
}

// forget removes all snapshots but those of the record.
func (p process) forget(ctx context.Context, kept record) error {
	return p.locked(ctx, repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err != nil {
			return err
		}
		var gone []*snapshot.Snapshot
		for _, s := range snapshots {
			if kept[s.ID] == nil {
				gone = append(gone, s)
			}
		}
		return upkeep.PlanForgetThese(gone).Execute(ctx, r)
	})
}

func TestForgetCutOff(t *testing.T) {
	base, cache, all, known := lived(t)
	delete(known, all[0])
	job{
		base: base, cache: cache, known: known, alone: true, judged: 6,
		run: func(ctx context.Context, p process) (id.ID, error) { return id.ID{}, p.forget(ctx, known) },
	}.cutOffEverywhere(t)
}

func TestPruneCutOff(t *testing.T) {
	base, cache, all, known := lived(t)
	delete(known, all[0])
	delete(known, all[1])
	synctest.Test(t, func(t *testing.T) {
		if err := (process{store: base, cache: cache}).forget(t.Context(), known); err != nil {
			t.Fatal(err)
		}
	})
	job{
		base: base, cache: cache, known: known, alone: true, judged: 10,
		run: func(ctx context.Context, p process) (id.ID, error) { return id.ID{}, p.prune(ctx) },
	}.cutOffEverywhere(t)
}

// What the destination has of its own stays, wherever a copy ends.
func TestCopyCutOff(t *testing.T) {
	from, fromCache, _, _ := lived(t)
	to, cache, _, known := lived(t)
	job{
		base: to, cache: cache, known: known, judged: 6,
		run: func(ctx context.Context, p process) (id.ID, error) {
			source := process{store: from, cache: fromCache}
			return id.ID{}, source.locked(ctx, repository.Shared, func(ctx context.Context, src *repository.Repository) error {
				return p.locked(ctx, repository.Shared, func(ctx context.Context, dst *repository.Repository) error {
					return copyAll(ctx, src, dst)
				})
			})
		},
	}.cutOffEverywhere(t)
}

// copyAll copies what one repository has and the other lacks.
func copyAll(ctx context.Context, src, dst *repository.Repository) error {
	snapshots, err := src.Snapshots(ctx)
	if err != nil {
		return err
	}
	others, err := dst.Snapshots(ctx)
	if err := errors.Join(err, src.LoadIndex(ctx), dst.LoadIndex(ctx)); err != nil {
		return err
	}
	d := &upkeep.Destination{Repository: dst}
	for _, s := range snapshots {
		if upkeep.Copied(s, others) == nil {
			d.Snapshots = append(d.Snapshots, s)
		}
	}
	return upkeep.Copy(ctx, src, []*upkeep.Destination{d}, upkeep.CopyOptions{})
}

// The key is replaced by one of the same password: at each instant one of
// them opens the repository.
func TestKeyChangeCutOff(t *testing.T) {
	base, cache, _, known := lived(t)
	job{
		base: base, cache: cache, known: known, judged: 6,
		run: func(ctx context.Context, p process) (id.ID, error) {
			return id.ID{}, p.locked(ctx, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				_, err := r.ChangePassword(ctx, []byte(password), cheap)
				return err
			})
		},
	}.cutOffEverywhere(t)
}
