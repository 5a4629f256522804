package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/pattern"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// RewriteOptions tell how snapshots are changed.
type RewriteOptions struct {
	// Exclude matches the paths that are left out, Include those that stay; all
	// others stay, too, if there are no patterns to include.
	Exclude, Include pattern.Lists
	// NewHost and NewTime replace what is recorded, unless they are zero.
	NewHost string
	NewTime time.Time
	// Summary has the files of each snapshot counted, and their sizes, where the
	// snapshot does not say so, or says something else.
	Summary bool
	// Forget removes the old snapshots. Without it both stay, and the new
	// ones get the tag RewriteTag.
	Forget bool
	// DryRun stores nothing.
	DryRun bool
	// Writer tells how changed trees are stored.
	Writer repository.WriterOptions
	// Watch, if set, is told how far the work is.
	Watch Watch
	// OnExcluded, if set, is told of every path that is left out.
	OnExcluded func(path string)
	// OnNothingLeft, if set, is told of every snapshot that has nothing of what
	// is to stay. It is left as it is.
	OnNothingLeft func(s *snapshot.Snapshot)
}

// RewriteTag marks snapshots made beside those they come from, as restic
// does.
const RewriteTag = "rewrite"

// Rewrite changes some snapshots while others work in the repository, and
// returns the edits that change something; in a dry run, those that would.
// Folders in which nothing is left out keep their trees byte for byte. The Load
// of t loads the index, too.
//
// First all trees are stored, then the snapshots: a rewrite that is cut off
// leaves each snapshot old or new. Only to put one in the place of another it
// has the repository for itself, for a few seconds at a time.
func Rewrite(ctx context.Context, r *repository.Repository, o RewriteOptions, t EditTurns) (edits []Edit, err error) {
	e := editor{repo: r, turns: t, make: func(ctx context.Context, some []*snapshot.Snapshot) ([]Edit, error) {
		return storeTrees(ctx, r, some, o)
	}}
	if o.Forget && !o.DryRun {
		return e.inTurns(ctx)
	}
	return edits, t.Locked(ctx, repository.Shared, func(ctx context.Context) error {
		if err := e.plan(ctx, false); err != nil || o.DryRun {
			edits = e.left
			return err
		}
		for ; len(e.left) > 0; e.left = e.left[1:] {
			edit := e.left[0]
			if err := e.replacer.add(ctx, &edit); err != nil {
				return err
			}
			edits = append(edits, edit)
		}
		return nil
	})
}

// storeTrees stores the trees of the snapshots that change, unless it is a dry
// run, and returns what would be stored in their place.
func storeTrees(ctx context.Context, r *repository.Repository, some []*snapshot.Snapshot, o RewriteOptions) ([]Edit, error) {
	save, finish, err := treeSaver(ctx, r, o)
	if err != nil {
		return nil, err
	}
	edits, err := rewriteTrees(ctx, r, some, save, o)
	return edits, errors.Join(err, finish(err == nil))
}

// treeSaver returns what stores a tree, and what ends the storing: in a dry
// run, neither does anything.
func treeSaver(ctx context.Context, r *repository.Repository, o RewriteOptions) (save saveTree, finish func(ok bool) error, err error) {
	if o.DryRun {
		save = func(_ context.Context, plain []byte) (id.ID, error) { return id.Hash(plain), nil }
		return save, func(bool) error { return nil }, nil
	}
	w, err := r.NewWriter(ctx, o.Writer)
	if err != nil {
		return nil, nil, err
	}
	save = func(ctx context.Context, plain []byte) (id.ID, error) {
		saved, err := w.Save(ctx, blob.Tree, plain)
		return saved.ID, err
	}
	finish = func(ok bool) error {
		var err error
		if ok {
			err = w.Flush(ctx)
		}
		return errors.Join(err, w.Close())
	}
	return save, finish, nil
}

// rewriteTrees stores the new trees and returns the snapshots that change.
func rewriteTrees(ctx context.Context, r *repository.Repository, some []*snapshot.Snapshot, save saveTree, o RewriteOptions) ([]Edit, error) {
	counter, done := o.Watch.start("rewrite", Amount{Count: uint64(len(some))})
	defer done()
	t := newTreeRewriter(r, o.Include, o.Exclude, save, o.OnExcluded)
	var edits []Edit
	for _, s := range some {
		result, err := t.rewrite(ctx, "/", s.Tree)
		if err != nil {
			return edits, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
		}
		if result.empty && len(o.Include) > 0 {
			if o.OnNothingLeft != nil {
				o.OnNothingLeft(s)
			}
			continue
		}
		edited := editedBy(s, result, &o)
		if o.Summary {
			if edited, err = t.summed(ctx, s, edited, result, &o); err != nil {
				return edits, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
			}
		}
		if edited != nil {
			edits = append(edits, Edit{Old: s, New: edited})
		}
		counter.Items.Add(1)
	}
	return edits, nil
}

// editedBy returns what is stored for s, or nil if it stays as it is.
func editedBy(s *snapshot.Snapshot, result rewritten, o *RewriteOptions) *snapshot.Snapshot {
	newHost := o.NewHost != "" && o.NewHost != s.Hostname
	newTime := !o.NewTime.IsZero() && !o.NewTime.Equal(s.Time)
	if result.tree == s.Tree && !newHost && !newTime {
		return nil
	}
	e := s.Edited()
	e.Tree = result.tree
	if e.Summary != nil {
		e.Summary.TotalFilesProcessed -= min(e.Summary.TotalFilesProcessed, result.removed.Count)
		e.Summary.TotalBytesProcessed -= min(e.Summary.TotalBytesProcessed, result.removed.Bytes)
	}
	if newHost {
		e.Hostname = o.NewHost
	}
	if newTime {
		e.Time = o.NewTime
	}
	if !o.Forget {
		e.Tags = withTag(e.Tags, RewriteTag)
	}
	return e
}

// summed returns what is stored for s when its files are counted: edited, which
// is nil if nothing else changes, with the sum.
func (t *treeRewriter) summed(ctx context.Context, s, edited *snapshot.Snapshot, result rewritten, o *RewriteOptions) (*snapshot.Snapshot, error) {
	sum, err := t.treeAmount(ctx, s.Tree)
	if err != nil {
		return nil, err
	}
	files, bytes := sum.Count-result.removed.Count, sum.Bytes-result.removed.Bytes
	is := s
	if edited != nil {
		is = edited
	}
	if is.Summary != nil && is.Summary.TotalFilesProcessed == files && is.Summary.TotalBytesProcessed == bytes {
		return edited, nil
	}
	if edited == nil {
		edited = s.Edited()
		if !o.Forget {
			edited.Tags = withTag(edited.Tags, RewriteTag)
		}
	}
	if edited.Summary == nil {
		edited.Summary = &snapshot.Summary{BackupStart: s.Time, BackupEnd: s.Time}
	}
	edited.Summary.TotalFilesProcessed, edited.Summary.TotalBytesProcessed = files, bytes
	return edited, nil
}

func withTag(tags []string, tag string) []string {
	for _, t := range tags {
		if t == tag {
			return tags
		}
	}
	return append(tags, tag)
}
