package sftp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A handshake over a long line takes longer than most operations: only the
// first of them waits for one.
func TestNobodyWaitsForOneMoreConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const handshake = time.Second
		refused := false
		p := newPool(func(ctx context.Context) (*conn, error) {
			select {
			case <-time.After(handshake):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if refused {
				return nil, errors.New("too many connections")
			}
			return &conn{lost: make(chan struct{}), end: func() {}}, nil
		}, 3)
		acquire := func(least, most time.Duration) *conn {
			t.Helper()
			start := time.Now()
			c, err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < least || took > most {
				t.Errorf("a connection came after %v", took)
			}
			return c
		}
		first := acquire(handshake, handshake)
		if second := acquire(0, 0); second != first {
			t.Error("there is a second connection without a handshake")
		}
		time.Sleep(2 * handshake)
		if third := acquire(0, 0); third == first {
			t.Error("the connection that came meanwhile is not used")
		}
		refused = true
		p.release(acquire(0, 0))
		time.Sleep(2 * handshake)
		if n := len(p.conns); n != 2 {
			t.Errorf("%d connections, of which one was refused", n)
		}
		time.Sleep(2 * refusalPause)
		acquire(0, 0) // begins one more, which ends with the pool
		start := time.Now()
		p.close()
		if time.Since(start) > handshake/2 {
			t.Error("close waits for a handshake")
		}
	})
}

// When the line fails, as many operations as may connect do so, each for
// itself: those that share a connection wait for each other.
func TestSeveralConnectAfterALoss(t *testing.T) {
	for _, bound := range []int{1, 4, 100} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			atOnce, most := 0, 0
			p := newPool(func(context.Context) (*conn, error) {
				mu.Lock()
				atOnce++
				most = max(most, atOnce)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				atOnce--
				mu.Unlock()
				return &conn{lost: make(chan struct{}), end: func() {}}, nil
			}, bound)
			defer p.close()
			for range 3 { // the line fails as often
				users := map[*conn]int{}
				got := make(chan *conn)
				for range 20 {
					go func() {
						c, err := p.acquire(t.Context())
						if err != nil {
							t.Error(err)
						}
						got <- c
					}()
				}
				for range 20 {
					users[<-got]++
				}
				time.Sleep(2 * time.Second) // one more may be coming
				mu.Lock()
				if want := min(bound, handshakes); len(users) != want || most != want {
					t.Errorf("20 operations have %d connections, %d of them made at once, want %d", len(users), most, want)
				}
				mu.Unlock()
				p.mu.Lock()
				for _, c := range p.conns {
					c.fail(errors.New("the line failed"))
				}
				p.mu.Unlock()
			}
		})
	}
}

// One more connection that the line cut off is tried again soon. A server
// that goes on refusing is left alone.
func TestPauseAfterRefusalsGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		p := newPool(func(context.Context) (*conn, error) {
			if dials.Add(1) > 1 {
				return nil, errors.New("connection reset")
			}
			return &conn{lost: make(chan struct{}), end: func() {}}, nil
		}, 4)
		defer p.close()
		for range 600 {
			if _, err := p.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		// The first one, six pauses that double within the first minute and
		// some, and one dial a minute from then on.
		if n := dials.Load(); n < 13 || n > 18 {
			t.Errorf("%d dials in ten minutes", n)
		}
	})
}

// An operation that cannot connect takes the connection another one made.
func TestRefusedWhileAnotherConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		p := newPool(func(context.Context) (*conn, error) {
			refused := dials.Add(1) > 1
			time.Sleep(time.Second)
			if refused {
				time.Sleep(time.Second)
				return nil, errors.New("too many connections")
			}
			return &conn{lost: make(chan struct{}), end: func() {}}, nil
		}, 2)
		defer p.close()
		for range 2 {
			go func() {
				if _, err := p.acquire(t.Context()); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(time.Minute)
	})
}
