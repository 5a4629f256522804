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
//
// Where none is left, several operations connect at once, each for itself. A
// server works through the requests of one connection one after the other: if
// all of them took the first one, on a line that fails every few moments, none
// would be done before it fails again.
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
	pause   time.Duration // how long the next refusal makes that
	closed  bool
	adding  sync.WaitGroup
}

// handshakes is how many connections are being made at once, at most. OpenSSH
// turns clients away, by chance, from ten on that have not logged in yet
// (MaxStartups), and other clients count too.
const handshakes = 5

// The server is left alone for a while after one more connection failed: it
// has a bound of its own. It may have been the line too, which works again in
// a moment, so the first pause is short, and each is twice as long as the one
// before, until a connection is made.
const (
	firstPause   = time.Second
	refusalPause = time.Minute // the longest
)

func newPool(dial dialer, bound int) *pool {
	p := &pool{dial: dial, max: bound, changed: make(chan struct{}), pause: firstPause}
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
		case p.dialing < min(p.max, handshakes):
			return p.first(ctx)
		}
		// None is there, and others are connecting already.
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

// first connects where there is no connection. When that fails, one that came
// meanwhile does as well.
func (p *pool) first(ctx context.Context) (*conn, error) {
	p.dialing++
	c, err := p.connect(ctx)
	if err != nil && ctx.Err() == nil {
		p.dropLost()
		c = p.leastBusy()
	}
	if c == nil {
		return nil, err
	}
	c.users++
	return c, nil
}

// addLater adds a connection to those there. A refusal is no failure.
func (p *pool) addLater() {
	p.dialing++
	p.adding.Go(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if _, err := p.connect(p.life); err != nil {
			p.enough = time.Now().Add(p.pause)
			p.pause = min(2*p.pause, refusalPause)
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
	p.pause = firstPause
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
