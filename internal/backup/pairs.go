package backup

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/id"
)

// pairs has chunks named and stored while more are read. Two chunks are hashed
// in little more time than one: the first waits, with its place, for the second.
type pairs struct {
	a *archiver
	g *errgroup.Group

	mu   sync.Mutex
	held *pairChunk
}

// pairChunk is a chunk that has a place in places.
type pairChunk struct {
	chunk []byte
	// store stores the chunk under its ID, and gives its place back.
	store func(id.ID) error
}

// places bound the chunks of large files that are in memory.
type places struct {
	all chan struct{} // one for each chunk from before it is read until it is stored
	// held is one for each chunk that waits for another. There are so many fewer
	// of these that what waits never keeps all that is stored from going on.
	held chan struct{}
}

// newPlaces returns places for so many chunks to be read or stored at once, and
// for those that wait: one for two workers.
func newPlaces(atOnce int) *places {
	held := max(1, workers()/2)
	return &places{all: make(chan struct{}, atOnce+held), held: make(chan struct{}, held)}
}

// take takes a place for a chunk that is to be read.
func (p *places) take(ctx context.Context) error {
	select {
	case p.all <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// give gives a place back.
func (p *places) give() { <-p.all }

// add has a chunk stored that was read and has a place.
func (p *pairs) add(c *pairChunk) {
	switch first, waits := p.meet(c); {
	case first != nil:
		p.g.Go(func() error { return p.store(first, c) })
	case !waits:
		p.g.Go(func() error { return c.store(id.Hash(c.chunk)) })
	}
}

// meet returns the chunk that waited for c, or tells whether c waits now.
func (p *pairs) meet(c *pairChunk) (first *pairChunk, waits bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first = p.held; first != nil {
		p.held = nil
		<-p.a.places.held
		return first, false
	}
	select {
	case p.a.places.held <- struct{}{}:
		p.held = c
		return nil, true
	default: // enough wait
		return nil, false
	}
}

// flush has the chunk stored that waits. Nothing is added meanwhile.
func (p *pairs) flush() {
	if c := p.held; c != nil {
		p.held = nil
		<-p.a.places.held
		p.g.Go(func() error { return c.store(id.Hash(c.chunk)) })
	}
}

// store names two chunks, and has them stored side by side.
func (p *pairs) store(c, d *pairChunk) error {
	n, ok := p.a.namers.Get().(*pairNamer)
	if !ok {
		n = new(pairNamer)
	}
	of, err := n.of(c, d)
	if err != nil {
		p.a.places.give()
		p.a.places.give()
		return err
	}
	p.a.namers.Put(n)
	p.g.Go(func() error { return d.store(of[1]) })
	return c.store(of[0])
}

// pairNamer names two chunks, without a need for memory each time.
type pairNamer struct {
	namer  repository.Namer
	chunks [2][]byte
	ids    []id.ID
}

func (n *pairNamer) of(c, d *pairChunk) (ids [2]id.ID, err error) {
	n.chunks = [2][]byte{c.chunk, d.chunk}
	n.ids, err = n.namer.Of(n.ids, n.chunks[:])
	n.chunks = [2][]byte{}
	return [2]id.ID(n.ids), err
}
