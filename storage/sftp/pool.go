package sftp

import (
	"context"
	"os"
	"sync"
	"time"
)

// pool keeps connections. Each serves any number of operations at once; one
// more is made when all are busy, up to a bound, and lost ones are replaced
// when they are needed again. Nobody waits for one more: a handshake is some
// ten round trips, and the connections that are there take all the same.
type pool struct {
	dial dialer
	max  int
	life context.Context // ends with the pool, and with it whoever is dialling
	end  context.CancelFunc

	mu      sync.Mutex
	conns   []*conn
	dialing int
	changed chan struct{} // closed and replaced when a dial ends
	enough  time.Time     // until then no connection is added to those there
	closed  bool
	adding  sync.WaitGroup
}

// refusalPause is how long the server is left alone after it refused one
// more connection: it has a bound of its own.
const refusalPause = time.Minute

func newPool(dial dialer, bound int) *pool {
	p := &pool{dial: dial, max: bound, changed: make(chan struct{})}
	p.life, p.end = context.WithCancel(context.Background())
	return p
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
		case best != nil:
			if best.users > 0 && p.mayAdd() {
				p.addLater()
			}
			best.users++
			return best, nil
		case p.dialing == 0:
			return p.first(ctx)
		}
		// None is there, and somebody is connecting already.
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func (p *pool) mayAdd() bool {
	return p.dialing == 0 && len(p.conns) < p.max && time.Now().After(p.enough)
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

// first connects where there is no connection.
func (p *pool) first(ctx context.Context) (*conn, error) {
	p.dialing++
	c, err := p.connect(ctx)
	if err == nil {
		c.users = 1
	}
	return c, err
}

// addLater adds a connection to those there. A refusal is no failure.
func (p *pool) addLater() {
	p.dialing++
	p.adding.Go(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if _, err := p.connect(p.life); err != nil {
			p.enough = time.Now().Add(refusalPause)
		}
	})
}

// connect makes a connection, which dialing counts already, with the pool
// unlocked meanwhile.
func (p *pool) connect(ctx context.Context) (*conn, error) {
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
	if err != nil {
		return nil, err
	}
	p.conns = append(p.conns, c)
	return c, nil
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
	p.end()
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		c.fail(os.ErrClosed)
	}
	p.conns = nil
	p.mu.Unlock()
	p.adding.Wait()
}
