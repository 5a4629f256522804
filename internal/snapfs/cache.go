package snapfs

import (
	"container/list"
	"context"
	"sync"

	"holdfast/repository/blob"
)

// cache keeps the blobs used last, up to a number of bytes. A blob that
// several goroutines ask for at once is loaded once.
type cache struct {
	load func(context.Context, blob.Handle) ([]byte, error)
	room int // bytes

	mu      sync.Mutex
	used    int // bytes
	entries map[blob.Handle]*list.Element
	recent  list.List // of *cached, the one used last in front
	loading map[blob.Handle]*loading
}

type cached struct {
	handle blob.Handle
	plain  []byte
}

// loading is a blob on its way. done is closed when the rest is set.
type loading struct {
	done  chan struct{}
	plain []byte
	err   error
}

func newCache(roomBytes int, load func(context.Context, blob.Handle) ([]byte, error)) *cache {
	return &cache{
		load: load, room: roomBytes,
		entries: make(map[blob.Handle]*list.Element),
		loading: make(map[blob.Handle]*loading),
	}
}

// get returns the plaintext of a blob, which must not be changed.
func (c *cache) get(ctx context.Context, h blob.Handle) ([]byte, error) {
	for {
		c.mu.Lock()
		if e, ok := c.entries[h]; ok {
			c.recent.MoveToFront(e)
			c.mu.Unlock()
			return e.Value.(*cached).plain, nil
		}
		l, ok := c.loading[h]
		if !ok {
			l = &loading{done: make(chan struct{})}
			c.loading[h] = l
			c.mu.Unlock()
			c.fetch(ctx, h, l)
			return l.plain, l.err
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.done:
		}
		if l.err == nil {
			return l.plain, nil
		}
		// The load may have failed because its caller gave up: try again.
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// fetch loads a blob for all who wait for it.
func (c *cache) fetch(ctx context.Context, h blob.Handle, l *loading) {
	l.plain, l.err = c.load(ctx, h)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.loading, h)
	close(l.done)
	if l.err == nil && len(l.plain) <= c.room {
		c.keep(h, l.plain)
	}
}

// keep adds a blob and drops those unused longest. c.mu is held.
func (c *cache) keep(h blob.Handle, plain []byte) {
	c.entries[h] = c.recent.PushFront(&cached{h, plain})
	c.used += len(plain)
	for c.used > c.room {
		last := c.recent.Remove(c.recent.Back()).(*cached)
		delete(c.entries, last.handle)
		c.used -= len(last.plain)
	}
}
