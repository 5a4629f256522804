package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// RepairedTag marks snapshots that stand beside the damaged ones they were
// made from, as in restic.
const RepairedTag = "repaired"

// SnapshotsOptions tell how snapshots are repaired.
type SnapshotsOptions struct {
	// Snapshots are those to be repaired.
	Snapshots []*snapshot.Snapshot
	// Forget removes a damaged snapshot once its repaired one is stored, and
	// those of which nothing is left.
	Forget bool
	// DryRun changes nothing.
	DryRun bool
	Writer repository.WriterOptions
	// Changed, if set, is told of everything that is left out or changed.
	Changed func(s *snapshot.Snapshot, path, what string)
}

// RepairedSnapshot tells what became of a damaged snapshot.
type RepairedSnapshot struct {
	Old *snapshot.Snapshot
	// New replaces it; nil when nothing of it is left. In a dry run it has no
	// ID.
	New *snapshot.Snapshot
	// Removed tells that the old one is gone, or would be.
	Removed bool
}

// Snapshots stores every damaged snapshot anew without what is lost, in the
// way restic does: files keep the blobs that are left and are as long as
// these, folders that cannot be read are empty, nodes that are no files are
// left out. Sound snapshots stay as they are.
//
// The index must be sound: what it does not list is lost.
func Snapshots(ctx context.Context, r *repository.Repository, o SnapshotsOptions) ([]RepairedSnapshot, error) {
	bad, err := r.ReloadIndex(ctx)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		return nil, fmt.Errorf("%w: %w", errDamagedIndex, bad[0])
	}
	w := newRewriter(r, o)
	if !o.DryRun {
		if w.writer, err = r.NewWriter(ctx, o.Writer); err != nil {
			return nil, err
		}
	}
	repaired, err := w.all(ctx)
	if w.writer != nil {
		err = errors.Join(err, w.writer.Close())
	}
	return repaired, err
}

func (w *rewriter) all(ctx context.Context) ([]RepairedSnapshot, error) {
	var repaired []RepairedSnapshot
	for _, s := range w.options.Snapshots {
		w.snapshot = s
		tree, err := w.tree(ctx, s.Tree, "/")
		if err != nil {
			return repaired, fmt.Errorf("repair snapshot %s: %w", s.ID.Short(), err)
		}
		if tree == s.Tree {
			continue
		}
		done, err := w.replace(ctx, s, tree)
		if err != nil {
			return repaired, fmt.Errorf("repair snapshot %s: %w", s.ID.Short(), err)
		}
		repaired = append(repaired, done)
	}
	return repaired, nil
}

// replace stores the repaired snapshot; the zero tree means that nothing is
// left of it.
func (w *rewriter) replace(ctx context.Context, s *snapshot.Snapshot, tree id.ID) (RepairedSnapshot, error) {
	done := RepairedSnapshot{Old: s, Removed: w.options.Forget}
	if !tree.IsZero() {
		done.New = repairedFrom(s, tree, w.options.Forget)
	}
	if w.options.DryRun {
		return done, nil
	}
	if done.New != nil {
		if err := w.writer.Flush(ctx); err != nil {
			return done, err
		}
		if err := w.r.SaveSnapshot(ctx, done.New); err != nil {
			return done, err
		}
	}
	if !done.Removed {
		return done, nil
	}
	return done, w.r.RemoveFile(ctx, repository.SnapshotFile, s.ID)
}

func repairedFrom(s *snapshot.Snapshot, tree id.ID, forget bool) *snapshot.Snapshot {
	n := s.Edited()
	// restic names the snapshot that was repaired, not the first of the row.
	old := s.ID
	n.Original, n.Tree = &old, tree
	if !forget && !slices.Contains(n.Tags, RepairedTag) {
		n.Tags = append(n.Tags, RepairedTag)
	}
	return n
}

// DamagedSnapshotFiles returns the snapshot files that cannot be read for
// good. Nobody can tell what they named, so nothing of them can be repaired.
func DamagedSnapshotFiles(ctx context.Context, r *repository.Repository) ([]id.ID, error) {
	var damaged []id.ID
	err := r.ListFiles(ctx, repository.SnapshotFile, func(i id.ID, _ int64) error {
		_, err := r.LoadSnapshot(ctx, i)
		if repository.IsCorrupt(err) {
			damaged = append(damaged, i)
			return nil
		}
		return err
	})
	return damaged, err
}
