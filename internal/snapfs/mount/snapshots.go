package mount

import (
	"context"
	"sync"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// snapshots keeps the list of snapshots fresh. Each is loaded once.
type snapshots struct {
	r *repository.Repository
	o *Options

	mu      sync.Mutex
	checked time.Time
	known   map[id.ID]*snapshot.Snapshot // nil for damaged ones
	layout  *folder
}

func newSnapshots(r *repository.Repository, o *Options) *snapshots {
	return &snapshots{r: r, o: o, known: make(map[id.ID]*snapshot.Snapshot)}
}

// current returns the folders above the snapshots, which must not be changed.
// When the list cannot be read anew, the old one stays for a while.
func (s *snapshots) current(ctx context.Context) (*folder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout != nil && time.Since(s.checked) < s.o.Refresh {
		return s.layout, nil
	}
	changed, err := s.reload(ctx)
	if err != nil && s.layout == nil {
		return nil, err
	}
	if err != nil {
		s.o.Warn("", err)
	}
	s.checked = time.Now()
	if changed || s.layout == nil {
		s.layout = s.o.Layout.build(s.chosen())
	}
	return s.layout, nil
}

// reload loads the snapshots that are new, then the index that they need.
func (s *snapshots) reload(ctx context.Context) (changed bool, err error) {
	live := make(id.Set)
	var fresh []id.ID
	err = s.r.ListFiles(ctx, repository.SnapshotFile, func(i id.ID, _ int64) error {
		live.Add(i)
		if _, ok := s.known[i]; !ok {
			fresh = append(fresh, i)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	loaded := make(map[id.ID]*snapshot.Snapshot)
	for _, i := range fresh {
		sn, err := s.r.LoadSnapshot(ctx, i)
		if err != nil && !repository.IsCorrupt(err) {
			return false, err
		}
		if err != nil {
			s.o.Warn(i.Short(), err)
		}
		loaded[i] = sn
	}
	if len(fresh) > 0 {
		if err := s.r.LoadIndex(ctx); err != nil {
			return false, err
		}
	}
	return s.adopt(live, loaded), nil
}

// adopt makes the live snapshots the known ones.
func (s *snapshots) adopt(live id.Set, loaded map[id.ID]*snapshot.Snapshot) (changed bool) {
	for i := range s.known {
		if !live.Has(i) {
			delete(s.known, i)
			changed = true
		}
	}
	for i, sn := range loaded {
		s.known[i] = sn
		changed = true
	}
	return changed
}

// chosen returns the snapshots that the filter takes, oldest first.
func (s *snapshots) chosen() []*snapshot.Snapshot {
	var list []*snapshot.Snapshot
	for _, sn := range s.known {
		if sn != nil && s.o.Filter.Match(sn) {
			list = append(list, sn)
		}
	}
	return snapshot.Sorted(list)
}
