package upkeep

import "sync"

// treeStack holds the trees that are to be read, by their positions. Last in,
// first out keeps it about as long as the folders on one path are wide.
type treeStack struct {
	mu        sync.Mutex
	wake      *sync.Cond
	positions []uint32
	// busy counts the workers that took a tree and have not pushed what is
	// below it.
	busy    int
	stopped bool
}

func newTreeStack() *treeStack {
	s := &treeStack{}
	s.wake = sync.NewCond(&s.mu)
	return s
}

// pop takes a tree, after waiting for one if some worker may still push. It
// returns false when all is done. A worker pushes what is below its tree
// before it pops again.
func (s *treeStack) pop() (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.positions) == 0 && s.busy > 0 && !s.stopped {
		s.wake.Wait()
	}
	if len(s.positions) == 0 || s.stopped {
		s.wake.Broadcast()
		return 0, false
	}
	last := len(s.positions) - 1
	p := s.positions[last]
	s.positions = s.positions[:last]
	s.busy++
	return p, true
}

// push adds the trees below the one that the worker had taken.
func (s *treeStack) push(below []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.positions = append(s.positions, below...)
	s.busy--
	s.wake.Broadcast()
}

// stop makes all workers end.
func (s *treeStack) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.wake.Broadcast()
}
