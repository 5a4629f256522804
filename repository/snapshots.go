package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// loadsAtOnce bounds the small files read in parallel: enough to hide the
// latency of a remote store.
const loadsAtOnce = 8

// Snapshots returns all snapshots, oldest first. Damaged ones are reported
// together beside the good ones.
//
// A program that will use the index must load the snapshots first: whatever
// a snapshot needs was indexed before the snapshot was written.
func (r *Repository) Snapshots(ctx context.Context) ([]*snapshot.Snapshot, error) {
	var ids []id.ID
	stored := make(map[id.ID]time.Time)
	err := r.store.List(ctx, SnapshotFile.folder(), func(info storage.Info) error {
		if i, err := id.Parse(path.Base(info.Key)); err == nil {
			ids, stored[i] = append(ids, i), info.Stored
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s files: %w", SnapshotFile, err)
	}
	r.retainSnapshots(ids)
	loaded := make([]*snapshot.Snapshot, len(ids))
	errs := make([]error, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadsAtOnce)
	for n, i := range ids {
		g.Go(func() error {
			loaded[n], errs[n] = r.LoadSnapshot(gctx, i)
			if isNotFound(errs[n]) { // removed since it was listed
				errs[n] = nil
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	loaded = slices.DeleteFunc(loaded, func(s *snapshot.Snapshot) bool { return s == nil })
	for _, s := range loaded {
		s.Stored = stored[s.ID]
	}
	return snapshot.Sorted(loaded), errors.Join(errs...)
}

// LoadSnapshot reads one snapshot.
func (r *Repository) LoadSnapshot(ctx context.Context, i id.ID) (*snapshot.Snapshot, error) {
	plain, err := r.loadSnapshotFile(ctx, i)
	if err != nil {
		return nil, err
	}
	s, err := snapshot.Decode(plain)
	if err != nil {
		return nil, &CorruptError{Kind: SnapshotFile, ID: i, Err: err}
	}
	s.ID = i
	return s, nil
}

// SaveSnapshot stores a snapshot and sets its ID. Everything the snapshot
// needs must be durable: see Writer.Flush.
func (r *Repository) SaveSnapshot(ctx context.Context, s *snapshot.Snapshot) error {
	if err := r.writable(); err != nil {
		return err
	}
	plain, err := s.Encode()
	if err != nil {
		return err
	}
	sealed, err := r.files().seal(SnapshotFile, plain)
	if err != nil {
		return err
	}
	if s.ID, err = r.files().put(ctx, SnapshotFile, sealed); err != nil {
		return err
	}
	return r.cacheSnapshot(s.ID, sealed)
}
