package files

import (
	"sync"

	"golang.org/x/sys/unix"
)

// openSet bounds how many directories are open at once. Those opened longest
// ago go first: in a walk they are the ones it will come back to last.
type openSet struct {
	limit int

	mu             sync.Mutex
	count          int
	oldest, newest *handle
}

// add puts an opened handle in and closes the oldest idle ones over the
// limit. Handles in use are passed over, so the limit can be exceeded by as
// many as there are calls under way. The caller holds h.mu; other handles
// are only tried, never waited for.
func (s *openSet) add(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.older, h.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = h
	} else {
		s.oldest = h
	}
	s.newest = h
	s.count++
	for victim := s.oldest; victim != nil && s.count > s.limit; {
		next := victim.newer
		if victim != h && victim.mu.TryLock() {
			s.unlink(victim)
			unix.Close(victim.fd)
			victim.fd = -1
			victim.mu.Unlock()
		}
		victim = next
	}
}

// remove takes a handle out that its owner, holding h.mu, closes.
func (s *openSet) remove(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlink(h)
}

func (s *openSet) unlink(h *handle) {
	if h.older != nil {
		h.older.newer = h.newer
	} else {
		s.oldest = h.newer
	}
	if h.newer != nil {
		h.newer.older = h.older
	} else {
		s.newest = h.older
	}
	h.older, h.newer = nil, nil
	s.count--
}
