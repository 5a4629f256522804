package sftp

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// pool keeps connections. Each serves any number of operations at once; one
// more is made when all are busy, up to a bound, and lost ones are replaced
// when they are needed again.
type pool struct {
	dial dialer
	max  int

	mu      sync.Mutex
	conns   []*conn
	dialing int
	changed chan struct{} // closed and replaced when a dial ends
	enough  time.Time     // until then no connection is added to those there
	closed  bool
}

// refusalPause is how long the server is left alone after it refused one
// more connection: it has a bound of its own.
const refusalPause = time.Minute

func newPool(dial dialer, bound int) *pool {
	return &pool{dial: dial, max: bound, changed: make(chan struct{})}
}

// acquire returns the connection with the least to do.
func (p *pool) acquire(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.closed {
			return nil, os.ErrClosed
		}
		p.dropLost()
		best := p.leastBusy()
		switch {
		case best != nil && (best.users == 0 || !p.mayAdd()):
			best.users++
			return best, nil
		case p.mayAdd():
			return p.add(ctx, best != nil)
		}
		// None is there, and somebody is connecting already.
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func (p *pool) mayAdd() bool {
	room := len(p.conns)+p.dialing < p.max
	return room && (len(p.conns) == 0 || time.Now().After(p.enough))
}

func (p *pool) dropLost() {
	living := p.conns[:0]
	for _, c := range p.conns {
		if !c.isLost() {
			living = append(living, c)
		}
	}
	clear(p.conns[len(living):])
	p.conns = living
}

func (p *pool) leastBusy() *conn {
	var best *conn
	for _, c := range p.conns {
		if best == nil || c.users < best.users {
			best = c
		}
	}
	return best
}

// add connects, with the pool unlocked meanwhile. Where there are others to
// use, a refusal is no failure.
func (p *pool) add(ctx context.Context, others bool) (*conn, error) {
	p.dialing++
	p.mu.Unlock()
	c, err := p.dial(ctx)
	p.mu.Lock()
	p.dialing--
	close(p.changed)
	p.changed = make(chan struct{})
	if err == nil && p.closed {
		err = os.ErrClosed
		c.fail(err)
	}
	if err == nil {
		c.users = 1
		p.conns = append(p.conns, c)
		return c, nil
	}
	if !others || ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
		return nil, err
	}
	p.enough = time.Now().Add(refusalPause)
	p.dropLost()
	best := p.leastBusy()
	if best == nil {
		return nil, err
	}
	best.users++
	return best, nil
}

// wait waits, with the pool unlocked, for a dial to end.
func (p *pool) wait(ctx context.Context) error {
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) release(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.users--
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		c.fail(os.ErrClosed)
	}
	p.conns = nil
}
