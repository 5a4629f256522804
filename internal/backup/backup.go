// Package backup records the present state of a source in a repository as a
// snapshot.
//
// One goroutine lists and stats the source (see lookahead), and another walks
// what it found, beside what an earlier snapshot holds; a few read, cut and
// store files; the last one that has something to add to a folder stores the
// folder's tree. What is unchanged is neither read nor encoded again: its
// recorded bytes are used as they are.
//
// Memory is bounded by the readers, the packs under way and the folders that
// are not finished; it does not grow with the number of files. The one
// exception is a folder with very many entries, which takes about three times
// its tree: some 400 bytes for each entry.
//
// How many files are read at once is found out while the backup runs, from a
// start and between bounds that fit what the source is on: see pace. It can be
// fixed with Options.Readers.
//
// A backup that is cut off leaves a checkpoint in the cache folder (see
// checkpoint.go) from which the next one goes on.
package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// Options tell how a backup is made.
type Options struct {
	// Snapshot carries what the new snapshot will say of itself: Time, Paths,
	// Hostname, Username, UID, GID, Excludes, Tags and ProgramVersion. The
	// rest is filled in.
	Snapshot snapshot.Snapshot
	// Rows, if set, tells at the end how many rows a database has, 0 for not
	// known.
	Rows func() uint64
	// Type is the backup type; it decides what may be reused.
	Type snapshot.Type
	// Parent names the snapshot to compare with, instead of the one that the
	// type asks for. It is not used by full backups.
	Parent *snapshot.Snapshot
	// Snapshots are all snapshots of the repository, loaded before its index.
	Snapshots []*snapshot.Snapshot
	// GroupBy says which snapshots are earlier states of the same source.
	GroupBy snapshot.GroupBy
	// Reuse tells which file metadata is trusted; PreviousStart is set here.
	Reuse source.Reuse
	// ReadBack reads every blob back that a file read by this backup reuses,
	// and compares it with the source's bytes; one that is damaged is stored
	// again. A full backup reads all files.
	ReadBack bool
	// DryRun stores nothing, and does not compress: the progress counts what
	// would be added, not what it would take.
	DryRun bool
	// SkipIfUnchanged makes no snapshot when the tree is that of the parent.
	SkipIfUnchanged bool
	// Readers fixes the number of files read at once; 0 leaves it to
	// Concurrency, and if that is not set to the number of processors.
	Readers     int
	Concurrency source.Concurrency
	// Writer tells how blobs are stored.
	Writer repository.WriterOptions
	// Progress, if set, is counted up while the backup runs.
	Progress *Progress
	// OnError, if set, is told of every part of the source that could not be
	// read; the backup goes on without it. It may be called from several
	// goroutines, one at a time.
	OnError func(path string, err error)
	// OnItem, if set, is told of every file and folder done; as OnError.
	OnItem func(Item)
}

// Receipt tells what a backup did.
type Receipt struct {
	// Snapshot is what was saved. Its ID is zero if none was: a dry run, or
	// nothing changed and SkipIfUnchanged.
	Snapshot *snapshot.Snapshot
	// Parent is what the source was compared with; nil for a full backup.
	Parent *snapshot.Snapshot
	// Type is what the backup became: full when no parent was found.
	Type snapshot.Type
	// Why explains a type that differs from the one asked for.
	Why string
	// Errors counts the parts of the source that could not be read, or that
	// changed while being read.
	Errors int
	// Resumed tells that an interrupted backup was gone on with.
	Resumed bool
	// Healed counts packs that were missing or had a wrong size and whose
	// blobs were therefore stored again.
	Healed   int
	Duration time.Duration
}

// Run makes a backup of src. The caller holds a shared lock and has loaded
// the snapshots, then the index.
//
// Parts of the source that cannot be read do not fail the backup; they are
// counted in the receipt. An error means that there is no snapshot; what was
// stored until then is kept for the next run.
func Run(ctx context.Context, r *repository.Repository, src source.Source, o Options) (*Receipt, error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	receipt := &Receipt{}
	parent, why := chooseParent(o)
	receipt.Parent, receipt.Why, receipt.Type = parent, why, o.Type
	if why != "" {
		receipt.Type = snapshot.Full
	}
	target, err := newTarget(ctx, r, o, receipt)
	if err != nil {
		return nil, err
	}
	a := &archiver{options: o, repo: r, target: target, progress: o.Progress, reuse: o.Reuse}
	defer func() { a.checkpoint.close() }()
	tree, err := a.archive(ctx, src, receipt)
	if err != nil {
		return nil, errors.Join(err, target.abandon())
	}
	receipt.Errors = int(o.Progress.Errors.Load())
	a.buffers.drop()
	if err := target.finish(); err != nil {
		return nil, err
	}
	if err := a.saveSnapshot(ctx, tree, start, receipt); err != nil {
		return nil, err
	}
	a.checkpoint.remove()
	receipt.Duration = time.Since(start)
	return receipt, nil
}

// saveSnapshot fills in and stores the snapshot, unless it is not wanted.
func (a *archiver) saveSnapshot(ctx context.Context, tree id.ID, start time.Time, receipt *Receipt) error {
	s := *a.options.Snapshot.Clone()
	s.Tree = tree
	if receipt.Parent != nil {
		parent := receipt.Parent.ID
		s.Parent = &parent
	}
	s.SetType(receipt.Type)
	s.Summary = a.progress.summary(start, time.Now())
	if a.options.Rows != nil {
		s.Summary.Rows = a.options.Rows()
	}
	receipt.Snapshot = &s
	unchanged := receipt.Parent != nil && receipt.Parent.Tree == tree
	if a.options.DryRun || a.options.SkipIfUnchanged && unchanged {
		return nil
	}
	if err := a.repo.SaveSnapshot(ctx, &s); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	return nil
}
