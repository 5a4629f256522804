package upkeep

import (
	"context"
	"errors"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// retainSurvey finds the objects whose retention has to be extended.
//
// Packs are the many ones, and finding out which of them are needed takes a
// walk through the trees. The record of earlier runs spares most of it:
//
//   - A pack that is locked for long enough needs no answer.
//   - A pack that the record does not know came after the last run. It is
//     taken for needed, as new packs are.
//   - A pack that no snapshot of the last run needed may be needed by a newer
//     one: only those are walked.
//   - A pack that was needed, and is due, may have lost its snapshots since:
//     all are walked. That happens once in half a period.
type retainSurvey struct {
	*RetainPlan
	repo      *repository.Repository
	snapshots []*snapshot.Snapshot
}

func (s *retainSurvey) run(ctx context.Context) error {
	var err error
	if s.snapshots, err = s.repo.Snapshots(ctx); err != nil {
		return fmt.Errorf("load all snapshots, to find out what they need: %w", err)
	}
	if err := s.repo.LoadIndex(ctx); err != nil {
		return err
	}
	if s.record, err = openRetentionRecord(s.repo, s.o.Until.Mode); err != nil {
		s.warn("record of retentions", err)
	}
	for key, until := range s.o.Put {
		s.record.set(key, until)
	}
	if err := s.smallObjects(ctx); err != nil {
		return err
	}
	if err := s.packs(ctx); err != nil {
		return err
	}
	s.record.finish()
	s.Stats.Due = len(s.known) + len(s.unknown) + s.Stats.Idle
	s.Stats.Needed = len(s.known) + len(s.unknown)
	return nil
}

// isDue tells whether the retention of an object ends too soon, and whether
// the record told so.
func (s *retainSurvey) isDue(key string) (due, recorded bool) {
	e, recorded := s.record.see(key)
	if s.o.All {
		_, put := s.o.Put[key]
		return !put, false
	}
	return !recorded || e.until.Before(s.o.RenewBefore), recorded
}

// due plans to extend an object.
func (s *retainSurvey) due(key string, recorded bool) {
	if recorded {
		s.known = append(s.known, key)
	} else {
		s.unknown = append(s.unknown, key)
	}
}

// smallObjects looks at everything that is no pack. All of it is needed.
func (s *retainSurvey) smallObjects(ctx context.Context) error {
	for _, prefix := range []string{"keys/", "snapshots/", "index/", "holdfast/"} {
		err := s.repo.Store().List(ctx, prefix, func(i storage.Info) error {
			s.small(i.Key)
			return nil
		})
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
	}
	s.small(repository.ConfigFile.Key(id.ID{}))
	return nil
}

func (s *retainSurvey) small(key string) {
	if isExempt(key) {
		return
	}
	s.Stats.Objects++
	if due, recorded := s.isDue(key); due {
		s.due(key, recorded)
	}
}

// packs looks at all packs in the index.
func (s *retainSurvey) packs(ctx context.Context) error {
	doubtful := make(id.Set) // due packs that perhaps nobody needs
	roots := s.uncovered()
	all := s.o.All || s.record.fresh
	for pack := range s.repo.Index().Packs() {
		s.Stats.Objects++
		key := repository.PackFile.Key(pack)
		due, recorded := s.isDue(key)
		switch {
		case !due:
		case all:
			doubtful.Add(pack)
		case !recorded:
			s.due(key, false)
		default:
			doubtful.Add(pack)
			all = all || !s.record.wasIdle(key)
		}
	}
	if all {
		roots = s.snapshots
	}
	return s.divide(ctx, doubtful, roots)
}

// uncovered returns the snapshots that the last run did not know.
func (s *retainSurvey) uncovered() []*snapshot.Snapshot {
	var list []*snapshot.Snapshot
	for _, sn := range s.snapshots {
		if !s.record.cover(sn.ID) {
			list = append(list, sn)
		}
	}
	return list
}

// divide finds out which of some packs are needed by some snapshots.
func (s *retainSurvey) divide(ctx context.Context, doubtful id.Set, needing []*snapshot.Snapshot) error {
	if len(doubtful) == 0 {
		return nil
	}
	index := s.repo.Index().Frozen()
	found, err := s.reach(ctx, index, needing)
	if err != nil {
		return err
	}
	return index.ByPack(ctx, doubtful.Has, func(pack id.ID, blobs []blob.Blob) error {
		key := repository.PackFile.Key(pack)
		needed := false
		for _, b := range blobs {
			if i, ok := index.Position(b.Handle); ok && found.has(i) {
				needed = true
				break
			}
		}
		s.record.idle(key, !needed)
		if !needed {
			s.Stats.Idle++
			return nil
		}
		s.due(key, !s.o.All && s.record.has(key))
		return nil
	})
}

// reach finds the blobs that snapshots need. Something missing is damage,
// and no reason to let the rest lapse: the walk goes on where it can.
func (s *retainSurvey) reach(ctx context.Context, index *repository.Index, needing []*snapshot.Snapshot) (bitset, error) {
	trees, done := s.o.Watch.start("find used data", Amount{})
	defer done()
	w := reach{repo: s.repo, index: index, found: newBitset(index.Len()), trees: trees}
	for _, sn := range needing {
		err := w.from(ctx, []id.ID{sn.Tree})
		var missing *MissingError
		switch {
		case errors.As(err, &missing), repository.IsCorrupt(err):
			s.warn("snapshot "+sn.ID.Short(), fmt.Errorf("it is damaged, so all packs count as needed: %w", err))
			for i := range index.Len() {
				w.found.add(i)
			}
			return w.found, nil
		case err != nil:
			return nil, err
		}
	}
	return w.found, nil
}
