package console

import (
	"context"
	"sync"

	"holdfast/internal/api"
)

// maxBehind bounds the updates that wait for one listener.
const maxBehind = 256

// hub passes updates on to all who listen.
type hub struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

type listener struct {
	updates chan api.Update
	lost    bool // of the hub's lock
}

// publish never waits: a listener that lags loses updates, and is told.
func (h *hub) publish(u api.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		if l.lost {
			select {
			case l.updates <- api.Update{Lost: true}:
				l.lost = false
			default:
				continue
			}
		}
		select {
		case l.updates <- u:
		default:
			l.lost = true
		}
	}
}

// Subscribe implements api.Viewer.
func (c *Console) Subscribe(ctx context.Context, changed func(api.Update)) error {
	l := &listener{updates: make(chan api.Update, maxBehind)}
	c.hub.mu.Lock()
	if c.hub.listeners == nil {
		c.hub.listeners = make(map[*listener]struct{})
	}
	c.hub.listeners[l] = struct{}{}
	c.hub.mu.Unlock()
	defer func() {
		c.hub.mu.Lock()
		delete(c.hub.listeners, l)
		c.hub.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case u := <-l.updates:
			changed(u)
		}
	}
}
