package fault

import (
	"context"
	"slices"
	"strings"

	"holdfast/storage"
)

// lag is what listings do not show yet, or show still.
type lag struct {
	lists  int            // how many listings a change stays unseen
	hidden map[string]int // new objects: listings left
	ghosts map[string]ghost
}

// ghost is a deleted object that is still listed.
type ghost struct {
	info storage.Info
	left int
}

// LagLists makes each change from now on invisible to the next n listings
// that cover its key: new objects are not in them, deleted ones still are.
// Get and Stat see changes at once. 0 ends the lag of further changes.
func (s *Store) LagLists(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag.lists = n
	if s.lag.hidden == nil {
		s.lag.hidden, s.lag.ghosts = map[string]int{}, map[string]ghost{}
	}
}

func (s *Store) noticePut(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lag.lists > 0 {
		delete(s.lag.ghosts, key)
		s.lag.hidden[key] = s.lag.lists
	}
}

func (s *Store) delete(ctx context.Context, key string) error {
	info, statErr := s.Store.Stat(ctx, key)
	if err := s.Store.Delete(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lag.lists > 0 && statErr == nil {
		if _, unseen := s.lag.hidden[key]; !unseen { // else it was never listed
			s.lag.ghosts[key] = ghost{info: info, left: s.lag.lists}
		}
	}
	delete(s.lag.hidden, key)
	return nil
}

// visible returns what one listing shows, and counts that listing.
func (s *Store) visible(ctx context.Context, prefix string) ([]storage.Info, error) {
	var infos []storage.Info
	err := s.Store.List(ctx, prefix, func(info storage.Info) error {
		infos = append(infos, info)
		return nil
	})
	if err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	infos = slices.DeleteFunc(infos, func(info storage.Info) bool {
		_, deleted := s.lag.ghosts[info.Key] // listed below instead
		return deleted || s.hide(info.Key)
	})
	for key, g := range s.lag.ghosts {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		infos = append(infos, g.info)
		if g.left--; g.left == 0 {
			delete(s.lag.ghosts, key)
		} else {
			s.lag.ghosts[key] = g
		}
	}
	slices.SortFunc(infos, func(a, b storage.Info) int { return strings.Compare(a.Key, b.Key) })
	return infos, nil
}

// hide tells whether this listing does not show key yet.
func (s *Store) hide(key string) bool {
	left, ok := s.lag.hidden[key]
	if !ok {
		return false
	}
	if left == 1 {
		delete(s.lag.hidden, key)
	} else {
		s.lag.hidden[key] = left - 1
	}
	return true
}
