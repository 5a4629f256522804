package repository

import (
	"context"
	"sync"
)

// barrier holds back whoever wants to pass while somebody has closed it.
type barrier struct {
	mu      sync.Mutex
	closers int           // how many have closed it
	opened  chan struct{} // closed when the last of them opens it
}

// close closes the barrier until open is called, once.
func (b *barrier) close() (open func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closers == 0 {
		b.opened = make(chan struct{})
	}
	b.closers++
	return b.open
}

func (b *barrier) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closers--; b.closers == 0 {
		close(b.opened)
		b.opened = nil
	}
}

// closed returns what is closed when the barrier is opened; nil if it is open.
func (b *barrier) closed() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// pass waits while the barrier is closed, then returns whether ctx still lives.
func (b *barrier) pass(ctx context.Context) error {
	for opened := b.closed(); opened != nil; opened = b.closed() {
		select {
		case <-opened:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return context.Cause(ctx)
}
