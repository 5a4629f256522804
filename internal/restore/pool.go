package restore

import (
	"container/list"
	"sync"
)

// pool keeps a bounded number of handles open: those unused longest are
// closed, and opened again when they are needed.
type pool[H any] struct {
	limit int
	close func(H)

	mu   sync.Mutex
	open list.List // of *slot[H], the one used last in front
}

// slot is the place of one handle.
type slot[H any] struct {
	opening sync.Mutex // held while the handle is being opened
	// The rest is guarded by the pool.
	handle H
	users  int
	place  *list.Element // nil while closed
}

// use returns the handle of a slot, opened by open if need be. It stays open
// until release.
func (p *pool[H]) use(s *slot[H], open func() (H, error)) (H, error) {
	if h, ok := p.take(s); ok {
		return h, nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if h, ok := p.take(s); ok { // somebody was faster
		return h, nil
	}
	h, err := open()
	if err != nil {
		return h, err
	}
	p.mu.Lock()
	s.handle, s.users = h, 1
	s.place = p.open.PushFront(s)
	unused := p.evict()
	p.mu.Unlock()
	for _, h := range unused {
		p.close(h)
	}
	return h, nil
}

func (p *pool[H]) take(s *slot[H]) (h H, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.place == nil {
		return h, false
	}
	s.users++
	p.open.MoveToFront(s.place)
	return s.handle, true
}

// evict takes out handles beyond the limit that nobody uses. p.mu is held.
func (p *pool[H]) evict() (unused []H) {
	for e := p.open.Back(); e != nil && p.open.Len() > p.limit; {
		s, previous := e.Value.(*slot[H]), e.Prev()
		if s.users == 0 {
			unused = append(unused, p.remove(s))
		}
		e = previous
	}
	return unused
}

func (p *pool[H]) remove(s *slot[H]) H {
	p.open.Remove(s.place)
	s.place = nil
	return s.handle
}

func (p *pool[H]) release(s *slot[H]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
}

// detach takes a handle out of the pool and gives it to its only user, who
// closes it.
func (p *pool[H]) detach(s *slot[H]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(s)
}

// closeAll closes every handle. Nobody uses the pool any more.
func (p *pool[H]) closeAll() {
	for p.open.Len() > 0 {
		p.close(p.remove(p.open.Front().Value.(*slot[H])))
	}
}
