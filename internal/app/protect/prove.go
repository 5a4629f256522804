package protect

import (
	"context"
	"os"

	"holdfast/internal/restore"
	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/internal/verify/proof"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// ProofOptions tell what a proof works with and reports to.
type ProofOptions struct {
	// Source is what was backed up; nil holds all against the snapshot.
	Source source.Source
	// Scratch is where it is restored to, Limit bounds the space in bytes; 0
	// leaves that to the disk.
	Scratch *proof.Scratch
	Limit   uint64
	// Look, OnPhase, Progress and OnDifference are those of proof.Options, Look
	// being its Restored.
	Look         func(ctx context.Context, target string, whole bool) error
	OnPhase      func(phase string, part, parts int, bytes uint64)
	Progress     *proof.Progress
	OnDifference func(path string, err error)
	// Restored, if set, is counted up while files are restored, OnRestore
	// told of items that could not be. They show up as differences, too.
	Restored  *restore.Progress
	OnRestore func(path string, err error)
}

// Prove restores a snapshot and compares it with its source. The caller
// holds a shared lock and has loaded the index; the snapshot is in it.
func Prove(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, o ProofOptions) (*proof.Proof, error) {
	fs, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, err
	}
	return proof.Run(ctx, proof.Options{
		Snapshot: fs,
		Source:   o.Source,
		Restore: func(ctx context.Context, target string, within func(string) (bool, bool)) (proof.Restored, error) {
			return restorePart(ctx, r, s, target, within, o)
		},
		Read: func(path string) (source.Source, error) {
			return files.New(files.Config{Paths: []string{path}})
		},
		Restored: o.Look, Scratch: o.Scratch, Limit: o.Limit, Root: os.Geteuid() == 0,
		OnPhase: o.OnPhase, Progress: o.Progress, OnDifference: o.OnDifference,
	})
}

// restorePart restores one part of a snapshot as `holdfast restore` would.
func restorePart(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, target string, within func(string) (bool, bool), o ProofOptions) (proof.Restored, error) {
	progress := o.Restored
	if progress == nil {
		progress = new(restore.Progress)
	}
	before := progress.BytesRestored.Load()
	receipt, err := restore.Run(ctx, r, s, restore.Options{
		Target: target, Filter: restore.Filter{Within: within}, Progress: progress, OnError: o.OnRestore,
	})
	if err != nil {
		return proof.Restored{}, err
	}
	return proof.Restored{
		Duration: receipt.Duration, Bytes: progress.BytesRestored.Load() - before,
		NoOwners: receipt.OwnersKept > 0, NoAttributes: receipt.AttributesLost > 0,
	}, nil
}
