package sftp

import (
	"context"
	"errors"
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
